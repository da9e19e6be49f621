/**
 * `hearsay demo`: the whole of hearsay at work, with a verdict.
 *
 * Starts several processes that find each other on a DHT on this machine. Each publishes its share of the lines of a
 * real text as signed messages, appends them to a feed of its own, and introduces this feed and another one. By their
 * rules all accept the first and refuse the second. Each compares what came, byte by byte, with the text.
 */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { integerOf } from '../args.js'
import type { Context } from '../context.js'
import { MemberProcess } from '../demo/member-process.js'
import type { Result, Start } from '../demo/messages.js'
import { table } from '../demo/table.js'
import { findText, readLines } from '../demo/text.js'
import { startLocalDht } from '../local-dht.js'

/** From `go` to the last result. With 12,000 lines and 4 processes it takes a few seconds on 2 cores. */
const TIMEOUT_MS = 45_000

/** Runs the command. Rejects with `ERR_DEMO_FAULT` if anything wasn't as it should be. */
export async function demo({ flags, output, signal }: Context): Promise<void> {
  const members = integerOf(flags, 'members', { min: 3, max: 8, fallback: 4 })
  const max = integerOf(flags, 'lines', { min: members, max: 1_000_000, fallback: 12_000 })
  const file = (flags.file as string | undefined) ?? (await findText())
  const lines = (await readLines(file, max)).length
  output.note(`${lines} lines of ${file}`)

  const storage = await mkdtemp(join(tmpdir(), 'hearsay-demo-'))
  const dht = await startLocalDht()
  const key = randomBytes(32).toString('hex')
  const talk = flags.verbose === true ? ['--verbose'] : []
  const processes = Array.from({ length: members }, () => new MemberProcess(talk))
  try {
    const start = { key, file, lines, members, bootstrap: dht.bootstrap, timeoutMs: TIMEOUT_MS }
    const results = await run(processes, start, { output, signal, storage })
    for (const result of results) if (output.json) await output.object(result)
    if (!output.json) await output.text(table(results))
    judge(results, lines, output)
  } finally {
    await Promise.all(processes.map(member => member.stop(signal.aborted)))
    await dht.stop()
    await rm(storage, { recursive: true, force: true })
  }
}

async function run(
  processes: MemberProcess[],
  start: Omit<Start, 'type' | 'index' | 'storage'>,
  { output, signal, storage }: Pick<Context, 'output' | 'signal'> & { storage: string }
): Promise<Result[]> {
  const began = performance.now()
  const note = (text: string) => output.note(`${((performance.now() - began) / 1000).toFixed(1)} s  ${text}`)
  const all = <T>(each: (member: MemberProcess) => Promise<T>) => Promise.all(processes.map(each))
  const limited = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS + 10_000)])

  const joined = all(member => member.next('joined', limited))
  const connected = all(member => member.next('connected', limited))
  connected.catch(() => {}) // `joined` may fail first
  for (const [index, member] of processes.entries()) {
    member.send({ type: 'start', index, storage: join(storage, `m${index}`), ...start })
  }
  const identities = await joined
  note(`${processes.length} processes joined a party on a DHT on this machine`)
  await connected
  note('each is connected to all others, and all proved to know the party key')
  const results = all(member => member.next('result', limited))
  const go = { type: 'go', members: identities.map(({ type: _, ...identity }) => identity) } as const
  for (const member of processes) member.send(go)
  note('publishing, appending, introducing')
  const settled = await results
  note('all have what they accepted, and compared it with the text')
  return settled.map(({ type: _, ...result }) => result)
}

function judge(results: readonly Result[], lines: number, output: Context['output']): void {
  const written = results.reduce((sum, result) => sum + result.written, 0)
  const faulty = results.filter(result => result.faults.length > 0)
  if (faulty.length === 0 && written === lines) {
    output.note(`${lines} lines, ${results.length} processes: all is as it should be`)
    return
  }
  const names = faulty.map(({ index }) => `m${index}`).join(', ')
  const error = new Error(
    `${written} of ${lines} lines written; faults at ${names === '' ? 'nobody' : names}`
  )
  throw Object.assign(error, { code: 'ERR_DEMO_FAULT' })
}
