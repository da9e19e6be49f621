/**
 * What the tool says, and where: results on standard output, all else on standard error.
 *
 * A slow reader of our output is waited for, so nothing is lost and nothing piles up. A reader that has gone (EPIPE)
 * ends the run quietly, as it does for any tool in a pipe.
 */

/** How to print. */
export interface OutputOptions {
  json: boolean
  quiet: boolean
  verbose: boolean
  /** Called once when nobody reads standard output any more. */
  onclosed(): void
}

/** Standard output and standard error of one run. */
export class Output {
  /** Are results JSON? */
  readonly json: boolean
  /** Are warnings and stacks wanted? */
  readonly verbose: boolean
  readonly #quiet: boolean
  #closed = false

  constructor({ json, quiet, verbose, onclosed }: OutputOptions) {
    this.json = json
    this.verbose = verbose
    this.#quiet = quiet
    process.stdout.on('error', () => {
      if (this.#closed) return
      this.#closed = true
      onclosed()
    })
    // Nobody to tell that nobody listens.
    process.stderr.on('error', () => {})
  }

  /** Prints text as it is. Resolves when the reader takes more. */
  text(text: string | Uint8Array): Promise<void> {
    return this.#write(text)
  }

  /** Prints one object as a line of JSON. Resolves when the reader takes more. */
  object(object: object): Promise<void> {
    return this.#write(`${JSON.stringify(object, jsonable)}\n`)
  }

  /** Prints a value as a line of its own. Resolves when the reader takes more. */
  value(value: unknown): Promise<void> {
    if (value instanceof Uint8Array) return this.#write(Buffer.concat([value, LINE_BREAK]))
    return this.#write(`${typeof value === 'string' ? value : JSON.stringify(value, jsonable)}\n`)
  }

  /** Does a person see standard output as it comes? */
  get isTerminal(): boolean {
    return process.stdout.isTTY === true
  }

  /** On a terminal, takes back the last lines, so that others can stand there. Elsewhere they stay. */
  async erase(lines: number): Promise<void> {
    if (this.isTerminal) await this.#write(`\x1b[${lines}A\x1b[J`)
  }

  /** Prints a line that a flag asked for, on standard error; `--quiet` or not. */
  extra(line: string): void {
    process.stderr.write(`${line}\n`)
  }

  /** Tells a person what is going on. */
  note(text: string): void {
    if (!this.#quiet) process.stderr.write(`${text}\n`)
  }

  /** Tells what only a curious person wants to know; seen with `--verbose`. */
  detail(text: string): void {
    if (this.verbose) this.note(text)
  }

  /** Tells of trouble that ends nothing; seen with `--verbose`. */
  warning(error: Error & { code?: string }): void {
    if (this.verbose) process.stderr.write(`hearsay: ${error.code ?? 'warning'}: ${error.message}\n`)
  }

  /** Tells why the run failed: one line with the code; the stack with `--verbose`. */
  error(error: unknown): void {
    const { code = 'ERR_UNKNOWN', message, stack } = error as Error & { code?: string }
    process.stderr.write(`hearsay: ${code}: ${String(message).replaceAll('\n', ' ')}\n`)
    if (this.verbose && stack !== undefined) process.stderr.write(`${stack}\n`)
  }

  /** Resolves when everything was taken, or will never be. */
  flush(): Promise<void> {
    return new Promise(resolve => {
      if (this.#closed) return resolve()
      process.stdout.write('', () => resolve())
    })
  }

  #write(bytes: string | Uint8Array): Promise<void> {
    if (this.#closed || process.stdout.write(bytes)) return Promise.resolve()
    return new Promise(resolve => {
      const settle = () => {
        process.stdout.off('drain', settle)
        process.stdout.off('close', settle)
        resolve()
      }
      process.stdout.on('drain', settle)
      process.stdout.on('close', settle) // after an error nothing drains any more
    })
  }
}

const LINE_BREAK = Buffer.from('\n')

/** What JSON has no form for: bytes, also as Node's Buffers turn themselves into an object before we are asked. */
function jsonable(this: unknown, key: string, value: unknown): unknown {
  const original = (this as Record<string, unknown>)[key]
  if (original instanceof Uint8Array) return { base64: Buffer.from(original).toString('base64') }
  return typeof value === 'bigint' ? String(value) : value
}
