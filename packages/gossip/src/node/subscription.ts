/**
 * A bounded queue of messages, read by `for await`: the promises around the sans-IO `SubscriberBuffer`.
 *
 * Ends by `return()` or `break`, by its signal (the pending read rejects with the reason), with the topic, or after
 * `drain()` once it is empty. After that it takes nothing, and a read resolves as done.
 */
import { type LostRange, SubscriberBuffer } from '../core/subscriber.js'
import type { AbortSignalLike, LagRange, Message, Subscription } from '../types.js'
import type { Opened } from './delivery.js'

/** What the topic gives to a subscription. */
export interface SubscriptionHost {
  nowMs(): number
  /** The reader came to a place where messages are missing; `isSlow`: because of the reader. */
  onlost(range: LagRange, isSlow: boolean): void
  /** It has ended. */
  onend(subscription: object): void
}

/** Options of a buffer. */
export interface QueueOptions {
  maxMessages: number
  maxBytes: number
  maxRanges: number
  ordered: boolean
  signal?: AbortSignalLike
}

interface Item<T> {
  readonly author: Uint8Array
  readonly incarnation: string
  readonly seq: number
  readonly bytes: number
  readonly message: Message<T>
}

interface Reader<T> {
  resolve(result: IteratorResult<Message<T>, undefined>): void
  reject(reason: unknown): void
}

/** See the head of this file. */
export class MessageQueue<T> implements Subscription<T> {
  readonly #buffer: SubscriberBuffer<Item<T>>
  readonly #host: SubscriptionHost
  readonly #signal: AbortSignalLike | undefined
  readonly #readers: Reader<T>[] = []
  #state: 'open' | 'draining' | 'ended' = 'open'
  #failure: { reason: unknown } | null = null
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(host: SubscriptionHost, { signal, ...options }: QueueOptions) {
    this.#host = host
    this.#signal = signal
    this.#buffer = new SubscriberBuffer(options)
    if (signal?.aborted) this.#onAbort()
    else signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  get received(): number {
    return this.#buffer.received
  }

  get dropped(): number {
    return this.#buffer.dropped
  }

  get pending(): number {
    return this.#state === 'ended' ? 0 : this.#buffer.pending
  }

  get late(): number {
    return this.#buffer.late
  }

  get lags(): readonly LagRange[] {
    return this.#buffer.lags
  }

  /** Takes a message in. */
  push({ message, bytes }: Opened<T>): void {
    if (this.#state !== 'open') return
    const { author, incarnation, seq } = message
    this.#buffer.push({ author, incarnation, seq, bytes, message }, this.#host.nowMs())
    this.#serve()
    this.#arm()
  }

  drain(): void {
    if (this.#state !== 'open') return
    this.#state = 'draining'
    this.#buffer.release()
    this.#serve()
  }

  /** Ends it at once; what is queued is gone. */
  end(): void {
    if (this.#state === 'ended') return
    this.#state = 'ended'
    clearTimeout(this.#timer)
    this.#signal?.removeEventListener('abort', this.#onAbort)
    this.#host.onend(this)
    for (const reader of this.#readers.splice(0)) reader.resolve({ value: undefined, done: true })
  }

  next(): Promise<IteratorResult<Message<T>, undefined>> {
    return new Promise((resolve, reject) => {
      this.#readers.push({ resolve, reject })
      this.#serve()
    })
  }

  async return(): Promise<IteratorResult<Message<T>, undefined>> {
    this.end()
    return { value: undefined, done: true }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** The same as `return()`. */
  async close(): Promise<void> {
    this.end()
  }

  /** The same as `return()`, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.end()
  }

  readonly #onAbort = (): void => {
    this.#failure = { reason: this.#signal?.reason }
    const reader = this.#readers.shift()
    if (reader !== undefined) this.#fail(reader)
    this.end()
  }

  /** The reason is told once, as by a generator that threw. */
  #fail(reader: Reader<T>): void {
    reader.reject(this.#failure?.reason)
    this.#failure = null
  }

  #serve(): void {
    while (this.#readers.length > 0) {
      if (this.#state === 'ended') {
        const reader = this.#readers.shift() as Reader<T>
        if (this.#failure !== null) this.#fail(reader)
        else reader.resolve({ value: undefined, done: true })
        continue
      }
      const item = this.#buffer.shift()
      if (item === undefined) {
        if (this.#state !== 'draining') return
        this.end()
      } else if (item.type === 'message') {
        this.#readers.shift()?.resolve({ value: item.message.message, done: false })
      } else {
        this.#onlost(item.range, item.type === 'lag')
      }
    }
  }

  #onlost(range: LostRange, isSlow: boolean): void {
    this.#host.onlost(range, isSlow)
  }

  /** Ordered mode waits for a missing message, but not for ever. */
  #arm(): void {
    const { wakeAtMs } = this.#buffer
    if (!Number.isFinite(wakeAtMs) || this.#timer !== undefined) return
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined
        this.#buffer.tick(this.#host.nowMs())
        this.#serve()
        this.#arm()
      },
      Math.max(1, wakeAtMs - this.#host.nowMs())
    )
  }
}
