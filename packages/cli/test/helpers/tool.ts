/**
 * Runs the real command line tool in real processes.
 */
import { type ChildProcess, type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const PROGRAM = fileURLToPath(new URL('../../../dist/hearsay.js', import.meta.url))

/** A finished run. */
export interface Ended {
  code: number | null
  stdout: string
  stderr: string
}

/** A run of the tool, with all that it says. */
export class Tool {
  readonly process: ChildProcessWithoutNullStreams
  #stdout: Buffer[] = []
  #stderr = ''
  readonly #exit: Promise<number | null>

  constructor(...words: string[]) {
    this.process = spawn(process.execPath, [PROGRAM, ...words])
    this.process.stdout.on('data', chunk => this.#stdout.push(chunk))
    this.process.stderr.on('data', chunk => {
      this.#stderr += chunk
    })
    this.process.stdin.on('error', () => {}) // it may end before it has read all
    this.#exit = once(this.process, 'close').then(([code]) => code)
    running.add(this.process)
    void this.#exit.then(() => running.delete(this.process))
  }

  /** All that it printed so far. */
  get stdout(): Buffer {
    return Buffer.concat(this.#stdout)
  }

  get stderr(): string {
    return this.#stderr
  }

  /** Resolves when standard error says this. */
  async says(text: string): Promise<void> {
    while (!this.#stderr.includes(text)) {
      await Promise.race([once(this.process.stderr, 'data'), this.#exit])
      if (this.process.exitCode !== null && !this.#stderr.includes(text)) {
        throw new Error(`it ended and never said "${text}": ${this.#stderr}`)
      }
    }
  }

  /** Resolves when standard output matches. */
  async prints(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.stdout.toString())) {
      await Promise.race([once(this.process.stdout, 'data'), this.#exit])
      if (this.process.exitCode !== null && !pattern.test(this.stdout.toString())) {
        throw new Error(`it ended and never printed ${pattern}: ${this.stdout}${this.#stderr}`)
      }
    }
  }

  /** Resolves when it has ended. */
  async ended(): Promise<Ended> {
    const code = await this.#exit
    return { code, stdout: this.stdout.toString(), stderr: this.#stderr }
  }
}

const running = new Set<ChildProcess>()

/** For after the tests: nothing may be left running. */
export function endAll(): void {
  for (const child of running) child.kill('SIGKILL')
}

/** Runs the tool to its end. */
export const run = (...words: string[]): Promise<Ended> => new Tool(...words).ended()

/** A bootstrap node in a process of its own. */
export async function startDht(): Promise<{ flags: string[]; tool: Tool }> {
  const tool = new Tool('dht', '--json', '--port', '0')
  for await (const line of createInterface({ input: tool.process.stdout })) {
    return { flags: ['--bootstrap', JSON.parse(line).bootstrap], tool }
  }
  throw new Error(`no DHT: ${tool.stderr}`)
}
