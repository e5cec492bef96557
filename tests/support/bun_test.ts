/**
 * What `bun:test` is on Deno (deno.json maps it here): `test`, `describe` and the four hooks, on `Deno.test`, so that
 * the same test files run on both runtimes. Deno loads each file in a module graph of its own, so the state below is
 * that of one file.
 */

/** What is used of Deno: `lib` in deno.json leaves its types out, so that the gateway itself can't reach for them. */
interface DenoTest {
  (definition: {
    name: string;
    ignore?: boolean;
    sanitizeOps: boolean;
    sanitizeResources: boolean;
    fn: () => void | Promise<void>;
  }): void;
  afterAll(run: () => void | Promise<void>): void;
}

/** Undefined on Bun: `bun test` takes this file for a test file by its name, and there it must do nothing. */
const denoTest = (globalThis as { Deno?: { test: DenoTest } }).Deno?.test;

type Run = () => unknown;
interface Options {
  timeout?: number;
}

/** A file (the root) or a `describe`. */
interface Scope {
  name: string;
  parent: Scope | undefined;
  beforeAll: Run[];
  afterAll: Run[];
  beforeEach: Run[];
  afterEach: Run[];
  /** Tests that are registered and not yet run, those of inner scopes included. */
  left: number;
  /** The one run of `beforeAll`, kept so that its failure fails every test of the scope. */
  opened: Promise<void> | undefined;
  closed: boolean;
}

/** As Bun's default. */
const TIMEOUT_MS = 5000;

function newScope(name: string, parent?: Scope): Scope {
  return {
    name,
    parent,
    beforeAll: [],
    afterAll: [],
    beforeEach: [],
    afterEach: [],
    left: 0,
    opened: undefined,
    closed: false,
  };
}

const root = newScope("");
const scopes: Scope[] = [root];
let current = root;

/** Groups tests; names join as `outer > inner > test`. `define` must be synchronous. */
export function describe(name: string, define: () => void): void {
  const outer = current;
  current = newScope(name, outer);
  scopes.push(current);
  try {
    const returned: unknown = define();
    if (returned instanceof Promise) throw new Error(`describe("${name}") must not be async`);
  } finally {
    current = outer;
  }
}

export function beforeAll(run: Run, timeout: number = TIMEOUT_MS): void {
  current.beforeAll.push(() => withTimeout(run, timeout, "beforeAll"));
}

export function afterAll(run: Run, timeout: number = TIMEOUT_MS): void {
  current.afterAll.push(() => withTimeout(run, timeout, "afterAll"));
}

export function beforeEach(run: Run, timeout: number = TIMEOUT_MS): void {
  current.beforeEach.push(() => withTimeout(run, timeout, "beforeEach"));
}

export function afterEach(run: Run, timeout: number = TIMEOUT_MS): void {
  current.afterEach.push(() => withTimeout(run, timeout, "afterEach"));
}

interface Test {
  (name: string, run: Run, options?: number | Options): void;
  /** Registered and shown, not run: say why in the name. */
  skip(name: string, run?: Run, options?: number | Options): void;
  /** `test` where the condition holds, `test.skip` elsewhere. */
  if(condition: boolean): (name: string, run: Run, options?: number | Options) => void;
}

export const test: Test = Object.assign(register, {
  skip: (name: string) => skip(name),
  if: (condition: boolean) => condition ? register : skip,
});

function register(name: string, run: Run, options?: number | Options): void {
  const scope = current;
  const timeout = (typeof options === "number" ? options : options?.timeout) ?? TIMEOUT_MS;
  for (const each of lineage(scope)) each.left++;
  define(fullName(scope, name), false, () => runTest(scope, name, run, timeout));
}

function skip(name: string): void {
  define(fullName(current, name), true, () => {});
}

function define(name: string, ignore: boolean, fn: () => void | Promise<void>): void {
  // Sockets and timers of the code under test outlive single tests by design: kept connections, keepalives.
  denoTest?.({ name, ignore, sanitizeOps: false, sanitizeResources: false, fn });
}

/** From the file to the scope itself. */
function lineage(scope: Scope): Scope[] {
  return scope.parent === undefined ? [scope] : [...lineage(scope.parent), scope];
}

function fullName(scope: Scope, name: string): string {
  return [...lineage(scope).slice(1).map((each) => each.name), name].join(" > ");
}

async function runTest(scope: Scope, name: string, run: Run, timeout: number): Promise<void> {
  const outerFirst = lineage(scope);
  const innerFirst = outerFirst.toReversed();
  const failures: unknown[] = [];
  const attempt = async (step: () => unknown): Promise<boolean> => {
    try {
      await step();
      return true;
    } catch (error) {
      failures.push(error);
      return false;
    }
  };

  const ready = await attempt(async () => {
    for (const each of outerFirst) await open(each);
    for (const each of outerFirst) await runHooks(each.beforeEach);
  });
  if (ready) await attempt(() => withTimeout(run, timeout, `"${name}"`));
  for (const each of innerFirst) await attempt(() => runHooks(each.afterEach));
  for (const each of innerFirst) {
    each.left--;
    if (each.left === 0 && each !== root) await attempt(() => close(each));
  }
  report(failures);
}

function open(scope: Scope): Promise<void> {
  return scope.opened ??= runHooks(scope.beforeAll);
}

async function close(scope: Scope): Promise<void> {
  if (scope.opened === undefined || scope.closed) return;
  scope.closed = true;
  await runHooks(scope.afterAll);
}

async function runHooks(hooks: readonly Run[]): Promise<void> {
  for (const hook of hooks) await hook();
}

async function withTimeout(run: Run, ms: number, what: string): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} timed out after ${ms} ms`)), ms);
  });
  try {
    await Promise.race([run(), late]);
  } finally {
    clearTimeout(timer);
  }
}

function report(failures: readonly unknown[]): void {
  if (failures.length === 1) throw failures[0];
  if (failures.length > 1) throw new AggregateError(failures, failures.map(String).join("\n"));
}

/** The file's own `afterAll`, and those of scopes whose last tests a filter left out. */
async function closeAll(): Promise<void> {
  const failures: unknown[] = [];
  for (const scope of scopes.toReversed()) await close(scope).catch((error) => failures.push(error));
  report(failures);
}

denoTest?.afterAll(closeAll);
