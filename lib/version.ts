import meta from "../package.json" with { type: "json" };

export const VERSION: string = meta.version;
