/**
 * What the tests of multifeed, hypercore and hyperdb have in common: sets of text on real storage, connections that can be cut,
 * and searches for keys.
 */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Feed, FeedSet, type FeedSetOptions } from '@hearsay/feeds'
import { keyId } from '@hearsay/gossip'
import type { Party } from '@hearsay/party'
import type { ExecutionContext } from 'ava'
import b4a from 'b4a'
import Corestore from 'corestore'
import { noisePair } from '../support/streams.js'
import { temporaryFolder } from '../support/temporary.js'

/** Streams in memory keep no process up while it waits for a timer of the library; this does, until the test is over. */
export function stayUp(t: ExecutionContext): void {
  const alive = setInterval(() => {}, 1000)
  t.teardown(() => clearInterval(alive))
}

/** A set of text in a folder of its own, or in `storage`; closed after the test. */
export async function textSet(
  t: ExecutionContext,
  options: FeedSetOptions = {},
  storage?: ConstructorParameters<typeof FeedSet>[0]
): Promise<FeedSet<string>> {
  stayUp(t)
  const set = new FeedSet<string>(storage ?? (await temporaryFolder(t)), {
    valueEncoding: 'utf-8',
    ...options
  })
  t.teardown(() => set.close())
  await set.ready()
  return set
}

/** A store of which each feed takes `ms` longer to open, and how many did. */
export async function slowStore(
  t: ExecutionContext,
  ms: number
): Promise<{ store: Corestore; opened(): number }> {
  const store = new Corestore(await temporaryFolder(t))
  t.teardown(() => store.close())
  await store.ready()
  let opened = 0
  const slow = (of: Corestore): Corestore => {
    const { session, get } = of
    of.session = options => slow(session.call(of, options))
    of.get = options => {
      const core = get.call(of, options)
      const ready = core.ready.bind(core)
      core.ready = async () => {
        opened++
        await new Promise(resolve => setTimeout(resolve, ms))
        return ready()
      }
      return core
    }
    return of
  }
  return { store: slow(store), opened: () => opened }
}

/** Attaches two sets or parties to a connection; the result cuts it. */
export function link(
  a: Pick<FeedSet, 'replicate'> | Pick<Party, 'attach'>,
  b: Pick<FeedSet, 'replicate'> | Pick<Party, 'attach'>
): () => void {
  const pair = noisePair()
  for (const [node, stream] of [
    [a, pair.a],
    [b, pair.b]
  ] as const) {
    if ('attach' in node) node.attach(stream)
    else node.replicate(stream)
  }
  return () => pair.a.destroy()
}

/** A block as text, whatever the encoding of its set. */
export function text(block: unknown): string {
  return typeof block === 'string' ? block : b4a.toString(block as Uint8Array)
}

/** Appends these words to the writer of this name and introduces it. */
export async function tell(party: Party, name: string, ...words: string[]): Promise<Feed> {
  const feed = await party.feeds.writer(name)
  for (const word of words) await feed.append(b4a.from(word))
  await party.introduce(feed)
  return feed
}

/** All blocks of a feed, in order. */
export async function blocksOf(feed: Feed | null | undefined): Promise<string[]> {
  const blocks: string[] = []
  for (let seq = 0; seq < (feed?.length ?? 0); seq++) blocks.push(text(await feed?.get(seq)))
  return blocks
}

/** Every spelling of a key that software uses. */
function spellings(key: Uint8Array): Uint8Array[] {
  const hex = b4a.toString(key, 'hex')
  return [
    key,
    b4a.from(hex),
    b4a.from(hex.toUpperCase()),
    b4a.from(keyId(key)),
    b4a.from(b4a.toString(key, 'base64'))
  ]
}

/** Is this key, in any spelling, in one of these pieces? */
export function isIn(pieces: readonly Uint8Array[], key: Uint8Array): boolean {
  return spellings(key).some(spelling => pieces.some(bytes => b4a.indexOf(bytes, spelling) >= 0))
}

/** Contents of all files below a folder. */
export async function filesIn(folder: string): Promise<Uint8Array[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter(entry => entry.isFile())
  return Promise.all(files.map(entry => readFile(join(entry.parentPath, entry.name))))
}
