/**
 * A duplex stream of Node, described as far as other streams ask for it.
 *
 * Written out here so that our declarations can be read without Node's types. Together these have every member of
 * `NodeJS.ReadWriteStream`, which is what Node's own `pipe()` and `pipeline()` take; the tests hold them against it.
 */

// biome-ignore lint/suspicious/noExplicitAny: values and listeners of a foreign class, typed there
type Foreign = any
type Listener = (...values: Foreign[]) => void

/** An EventEmitter of Node. */
export interface NodeEmitterLike {
  on(event: Foreign, listener: Listener): this
  once(event: Foreign, listener: Listener): this
  off(event: Foreign, listener: Listener): this
  addListener(event: Foreign, listener: Listener): this
  removeListener(event: Foreign, listener: Listener): this
  removeAllListeners(event?: Foreign): this
  prependListener(event: Foreign, listener: Listener): this
  prependOnceListener(event: Foreign, listener: Listener): this
  emit(event: Foreign, ...values: Foreign[]): boolean
  listeners(event: Foreign): Foreign[]
  rawListeners(event: Foreign): Foreign[]
  listenerCount(event: Foreign, listener?: Foreign): number
  eventNames(): Foreign[]
  setMaxListeners(count: number): this
  getMaxListeners(): number
}

/** What a stream of Node can be piped into. */
export interface NodeWritableLike extends NodeEmitterLike {
  writable: boolean
  write(bytes: Foreign, ...rest: Foreign[]): boolean
  end(...rest: Foreign[]): this
}

/** A duplex byte stream of Node; the real one has more members, documented in Node's manual. */
export interface NodeDuplexLike extends NodeWritableLike {
  readable: boolean
  readonly destroyed: boolean
  read(size?: number): Foreign
  setEncoding(encoding: Foreign): this
  pause(): this
  resume(): this
  isPaused(): boolean
  pipe<S extends NodeWritableLike>(destination: S, options?: { end?: boolean | undefined }): S
  unpipe(destination?: Foreign): this
  unshift(bytes: Foreign, encoding?: Foreign): void
  wrap(stream: Foreign): this
  destroy(error?: Error): this
  [Symbol.asyncIterator](): AsyncIterableIterator<Foreign>
}
