/** What a person is told at the start, and by `check`. */
import { servedModels } from "./admin.ts";
import { RUNTIME } from "./base/runtime.ts";
import type { Config } from "./config.ts";
import { VERSION } from "./version.ts";

/** `at`: where it serves; `workers`: how many processes do. */
export function banner(config: Config, at: { url: string; port: number }, workers: number): string {
  const model = servedModels(config)[0] ?? "MODEL";
  const curl = `curl -N ${at.url}/v1/chat/completions -H 'content-type: application/json' \\\n` +
    `    -d '{"model":"${model}","stream":true,"messages":[{"role":"user","content":"Three roads meet here."}]}'`;
  const warning = isLoopback(config.host)
    ? ""
    : `\nAnyone who reaches ${config.host}:${at.port} can use the providers' keys: keep it behind a firewall.\n`;
  const several = workers > 1 ? `, ${workers} workers` : "";
  return `Trivium ${VERSION} (${RUNTIME}) at ${at.url}${several}, config: ${config.file}\n${
    describeConfig(config)
  }${warning}\nTry:\n  ${curl}\n\n`;
}

export function describeConfig(config: Config): string {
  const live: string[] = [];
  const waiting: string[] = [];
  for (const provider of config.providers.values()) {
    if (provider.waitsFor === undefined) live.push(`  ${provider.name}: ${provider.formats.join(", ")}`);
    else waiting.push(`  ${provider.name}: set ${provider.waitsFor}`);
  }
  const patterns = config.models.filter((rule) => rule.name.includes("*"));
  const models = [
    ...servedModels(config),
    ...patterns.map((rule) => `${rule.name} (${rule.provider})`),
    ...(config.modelsOnly ? [] : [...config.providers.keys()].map((name) => `${name}/…`)),
  ];
  return section("Models", [`  ${models.join("  ")}`]) + section("Live providers", live) +
    section("Waiting for a key", waiting);
}

function section(title: string, lines: readonly string[]): string {
  return lines.length === 0 ? "" : `${title}:\n${lines.join("\n")}\n`;
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host.startsWith("127.");
}
