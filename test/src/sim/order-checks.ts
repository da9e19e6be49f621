/**
 * Feeds what each process delivers to a subscription in ordered mode. Any violation throws.
 *
 *   O1  messages of an incarnation come in order of seq; what is left out in between is told, and doesn't come later
 */
import { SubscriberBuffer, type TopicEffect } from '@hearsay/gossip/core'
import type { SimNode } from './node.js'
import type { Fail } from './tree-checks.js'

interface Message {
  readonly author: Uint8Array
  readonly incarnation: string
  readonly seq: number
  readonly bytes: number
}

/** One life of a process. */
interface Reader {
  readonly boot: number
  readonly buffer: SubscriberBuffer<Message>
  /** By incarnation: the next seq, of those that came or were told to be missing. */
  readonly next: Map<string, number>
}

/** Watches the order of what is read. */
export class OrderChecks {
  /** Messages that were read in order, and ranges that were told to be skipped. */
  read = 0
  skipped = 0
  readonly #fail: Fail
  readonly #makeBuffer: () => SubscriberBuffer<Message>
  readonly #readers = new Map<SimNode, Reader>()

  /** @param makeBuffer - What is read from; a subscription in ordered mode, unless a test plants a bug. */
  constructor(fail: Fail, makeBuffer = () => new SubscriberBuffer<Message>({ ordered: true })) {
    this.#fail = fail
    this.#makeBuffer = makeBuffer
  }

  /** After a step. */
  after(node: SimNode, effects: readonly TopicEffect[], nowMs: number): void {
    const reader = this.#readerOf(node)
    for (const effect of effects) {
      if (effect.type !== 'deliver' || effect.link === null) continue
      const { ref, seq0, payloads } = effect.batch
      const { author, incarnationId: incarnation } = ref
      for (const index of effect.accepted ?? payloads.keys()) {
        const bytes = payloads[index]?.length ?? 0
        reader.buffer.push({ author, incarnation, seq: seq0 + index, bytes }, nowMs)
      }
    }
    if (nowMs >= reader.buffer.wakeAtMs) reader.buffer.tick(nowMs)
    if (reader.buffer.isReadable) this.#drain(node, reader)
  }

  #drain(node: SimNode, { buffer, next }: Reader): void {
    for (let item = buffer.shift(); item !== undefined; item = buffer.shift()) {
      const { author, incarnation } = item.type === 'message' ? item.message : item.range
      const stream = `${Buffer.from(author).toString('hex')}/${incarnation}`
      const [from, to] =
        item.type === 'message' ? [item.message.seq, item.message.seq] : [item.range.from, item.range.to]
      const expected = next.get(stream)
      // Of before its beginning: told, but not in its place.
      if (item.type === 'lag' && to < (expected ?? 0)) continue
      // Where a stream begins that was joined late nobody knows.
      if (expected !== undefined && from !== expected)
        this.#fail('O1', node, `${item.type} ${from} of ${stream} came, ${expected} was next`)
      next.set(stream, to + 1)
      if (item.type === 'message') this.read++
      else this.skipped++
    }
  }

  #readerOf(node: SimNode): Reader {
    const known = this.#readers.get(node)
    if (known?.boot === node.boot) return known
    const reader: Reader = {
      boot: node.boot,
      buffer: this.#makeBuffer(),
      next: new Map()
    }
    this.#readers.set(node, reader)
    return reader
  }
}
