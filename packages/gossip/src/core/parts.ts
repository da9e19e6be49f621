/**
 * The machines of one topic, put together. Each knows those that it is given and calls them plainly; there is no bus
 * between them. Which calls which is to be read in receive.ts, control.ts and topic-core.ts.
 */
import { Acquaintances } from './acquaintances.js'
import type { Helpers } from './asking.js'
import { AuthorTable } from './author-table.js'
import { BatchDigester } from './batch.js'
import { BatchCache } from './cache.js'
import { Clock } from './clock.js'
import { Haves } from './haves.js'
import { Isolation } from './isolation.js'
import { authorKeyOf, topicIdOf } from './keys.js'
import { type LinkListener, Links } from './links.js'
import { Neighbours } from './neighbours.js'
import { Outbox } from './outbox.js'
import { Outgoing } from './outgoing.js'
import { PeerBook } from './peer-book.js'
import { Publisher } from './publisher.js'
import { Questions } from './questions.js'
import { Repair } from './repair.js'
import type { Spread } from './spread.js'
import { Trees } from './trees.js'
import type { TopicCoreOptions } from './types.js'

/** All machines but those that interpret frames. */
export interface Parts {
  readonly options: TopicCoreOptions
  /** 32 bytes. */
  readonly topicId: Uint8Array
  readonly clock: Clock
  readonly digester: BatchDigester
  readonly table: AuthorTable
  readonly cache: BatchCache
  readonly book: PeerBook
  readonly spread: Spread
  readonly links: Links
  readonly neighbours: Neighbours
  readonly isolation: Isolation
  readonly acquaintances: Acquaintances
  readonly repair: Repair
  readonly haves: Haves
  readonly outgoing: Outgoing
  readonly publisher: Publisher
  /** About links (entrance.ts), authors and batches (receive.ts). */
  readonly questions: Questions<unknown>
  readonly outbox: Outbox
}

/**
 * Makes the machines of a topic. `hooks` are called later, never while this runs.
 *
 * @param chosen - Where batches go; null: along a tree for each author.
 */
export function assemble(
  options: TopicCoreOptions,
  chosen: Spread | null,
  hooks: { listener: LinkListener; helpers: Helpers }
): Parts {
  const { limits, crypto, topicKey, author, startMs } = options
  const { listener, helpers } = hooks
  const random = (): number => crypto.random()
  const topicId = topicIdOf(crypto, topicKey)
  const digester = new BatchDigester(crypto, topicId)
  const outbox = new Outbox(options.trace)
  const clock = new Clock(startMs, limits.maxSkewMs, options.bootHorizon)
  const table = new AuthorTable(limits, startMs)
  const cache = new BatchCache(limits)
  const book = new PeerBook(limits)
  const spread = chosen ?? new Trees({ limits, random })
  const neighbours = new Neighbours({ limits, outbox, book, random, listener })
  const haves = new Haves({ limits, table, outbox, random })
  const authorKey = authorKeyOf(author)
  const isRefused = (peerId: string): boolean => book.refusedMs(peerId, clock.nowMs) > 0
  return {
    options,
    topicId,
    clock,
    digester,
    table,
    cache,
    book,
    spread,
    neighbours,
    links: new Links({ limits, crypto, topicKey, outbox, book, neighbours, listener }),
    isolation: new Isolation({ limits, neighbours, outbox }, startMs),
    acquaintances: new Acquaintances({ limits, neighbours, outbox, random, isRefused }),
    repair: new Repair(limits, table, helpers),
    haves,
    outgoing: new Outgoing({ limits, clock, table, cache, haves, spread, outbox, neighbours, authorKey }),
    publisher: new Publisher({
      limits,
      crypto,
      author,
      digest: batch => digester.digest(batch),
      ttlMs: options.ttlMs ?? limits.ttlMs,
      batchMs: options.batchMs ?? 0,
      onFull: options.onFull ?? 'wait'
    }),
    questions: new Questions(limits),
    outbox
  }
}
