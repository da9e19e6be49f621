/** Other processes in tests: started with Node, read line by line, ended with the test. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { ExecutionContext } from 'ava'
import { until, within } from './until.js'

/** How a process ended: an exit code, or the signal that killed it. */
export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** Options of `startNode`. */
export interface ChildOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
}

/** A running process. */
export interface Child {
  readonly process: ChildProcess
  /** Lines of stdout so far. */
  readonly lines: readonly string[]
  /** Lines of stderr so far. */
  readonly errors: readonly string[]
  /** Resolves when it ended and all of its output was read. */
  readonly exit: Promise<Exit>
  /** Resolves with the first line of stdout, from the start on, that `matches`. */
  line(matches: RegExp | ((line: string) => boolean), ms?: number): Promise<string>
  /** Writes a line to its stdin. */
  write(line: string): void
  /** Sends a signal and waits for the end. Default SIGKILL. */
  kill(signal?: NodeJS.Signals): Promise<Exit>
}

/** Starts `node file ...args`. It is killed at the end of the test if it still runs then. */
export function startNode(
  t: ExecutionContext,
  [file, ...args]: readonly [file: string, ...args: string[]],
  { cwd, env = {} }: ChildOptions = {}
): Child {
  const child = spawn(process.execPath, [file, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, NO_COLOR: '1', ...env },
    ...(cwd === undefined ? {} : { cwd })
  })
  const lines: string[] = []
  const errors: string[] = []
  createInterface({ input: child.stdout }).on('line', line => lines.push(line))
  createInterface({ input: child.stderr }).on('line', line => errors.push(line))
  // Writing to a process that has ended is no fault of the test.
  child.stdin.on('error', () => {})
  const exit = new Promise<Exit>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve({ code, signal }))
  })
  const isRunning = (): boolean => child.exitCode === null && child.signalCode === null
  t.teardown(async () => {
    if (isRunning()) child.kill('SIGKILL')
    await exit
  })
  const find = (matches: RegExp | ((line: string) => boolean)): string | undefined =>
    lines.find(line => (matches instanceof RegExp ? matches.test(line) : matches(line)))
  return {
    process: child,
    lines,
    errors,
    exit,
    async line(matches, ms = 20_000) {
      const what = `a line ${matches} of ${[file, ...args].join(' ')}`
      const found = await until(() => find(matches) ?? (isRunning() ? undefined : 'ended'), { ms, what })
      const line = find(matches)
      if (line !== undefined) return line
      throw new Error(`${what}: ${found}\n${lines.join('\n')}\n${errors.join('\n')}`)
    },
    write(line) {
      child.stdin.write(`${line}\n`)
    },
    async kill(signal = 'SIGKILL') {
      child.kill(signal)
      return await within(exit, { what: `the end of ${file}` })
    }
  }
}
