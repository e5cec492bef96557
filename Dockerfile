FROM node:22-bookworm-slim AS build
WORKDIR /src
COPY package.json bun.lock bunfig.toml deno.json main.ts config.yaml ./
COPY lib lib
COPY scripts scripts
RUN npx -y bun@1.4.5 run build
# What the executable links against: the C library and its loader, nothing else.
RUN mkdir -p /root-fs/app && mkdir -m 1777 /root-fs/tmp && cp dist/trivium config.yaml /root-fs/app/ \
 && ldd dist/trivium | grep -o '/[^ ]*' | while read -r lib; do cp --parents -L "$lib" /root-fs/; done

FROM scratch
COPY --from=build /root-fs /
USER 65532:65532
WORKDIR /app
EXPOSE 12000
ENTRYPOINT ["/app/trivium"]
CMD ["--host", "0.0.0.0"]
