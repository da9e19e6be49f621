/**
 * From batches to messages: each payload is decoded once, and only if somebody wants to see it.
 */
import type { AuthorRef, Batch } from '../core/types.js'
import type { Encoding, Message, Peer } from '../types.js'
import { errorOf } from './guard.js'
import { keyId } from './key-text.js'

/** Where a batch came from. */
export interface Origin {
  readonly hops: number
  readonly from: Peer | null
}

/** A decoded message and the size of its payload. */
export interface Opened<T> {
  readonly message: Message<T>
  readonly bytes: number
}

type Names = Pick<Message, 'id' | 'incarnation'>

/** Makes the messages of one topic. */
export class MessageMaker<T> {
  readonly #topic: string
  readonly #encoding: Encoding<T>
  readonly #onundecodable: (error: Error, from: Peer | null) => void
  /** Batches that were opened for a rule and aren't delivered yet. */
  readonly #opened = new WeakMap<Batch, readonly (Opened<T> | null)[]>()
  /** How people see an incarnation: making that costs more than all else here. */
  readonly #names = new WeakMap<AuthorRef, Names>()

  constructor(
    topic: string,
    encoding: Encoding<T>,
    onundecodable: (error: Error, from: Peer | null) => void
  ) {
    this.#topic = topic
    this.#encoding = encoding
    this.#onundecodable = onundecodable
  }

  /** All messages of a batch, for a rule; null where a payload can't be decoded. Kept until `take`. */
  peek(batch: Batch, origin: Origin): readonly (Opened<T> | null)[] {
    const known = this.#opened.get(batch)
    if (known !== undefined) return known
    const opened = batch.payloads.map((payload, index) => this.#open(batch, { payload, index }, origin))
    this.#opened.set(batch, opened)
    return opened
  }

  /** The messages with these indexes that can be decoded; all if `accepted` is null. */
  take(batch: Batch, accepted: readonly number[] | null, origin: Origin): Opened<T>[] {
    const known = this.#opened.get(batch)
    const payloads = known === undefined ? batch.payloads : []
    const messages: Opened<T>[] = []
    const count = accepted?.length ?? batch.count
    for (let i = 0; i < count; i++) {
      const index = accepted?.[i] ?? i
      const payload = payloads[index]
      const opened = payload === undefined ? known?.[index] : this.#open(batch, { payload, index }, origin)
      if (opened) messages.push(opened)
    }
    return messages
  }

  #open(
    batch: Batch,
    what: { payload: Uint8Array; index: number },
    { hops, from }: Origin
  ): Opened<T> | null {
    const { payload, index } = what
    let data: T
    try {
      data = this.#encoding.decode(payload)
    } catch (fault) {
      this.#onundecodable(errorOf(fault), from)
      return null
    }
    const { id, incarnation } = this.#namesOf(batch.ref)
    const message: Message<T> = {
      topic: this.#topic,
      // Made anew for each: whoever writes into it changes nothing of ours.
      author: batch.ref.author,
      id,
      incarnation,
      seq: batch.seq0 + index,
      data,
      createdAt: batch.createdMs,
      hops,
      from
    }
    return { message, bytes: payload.byteLength }
  }

  #namesOf(ref: AuthorRef): Names {
    const known = this.#names.get(ref)
    if (known !== undefined) return known
    const names = { id: keyId(ref.author), incarnation: ref.incarnationId }
    this.#names.set(ref, names)
    return names
  }
}
