/**
 * Public types of this package: what applications see of sets, feeds and sessions.
 *
 * Own structural interfaces stand for the foreign classes (Hypercore, Corestore, Protomux, Noise streams), so that no
 * untyped module is ever part of our declarations.
 */
import type { FeedsError } from './errors.js'
import type { FeedsLimits } from './limits.js'

export type { FeedsLimits } from './limits.js'

/** An Ed25519 key pair: `publicKey` 32 bytes, `secretKey` 64 bytes (libsodium's form). */
export interface KeyPair {
  publicKey: Uint8Array
  secretKey: Uint8Array
}

/** A key as 32 bytes, 64 hex digits or 52 z-base-32 characters. */
export type Key = Uint8Array | string

/**
 * What the owner of a set notes about a feed: JSON values, and bytes. It comes back deep-equal, also after a restart.
 * At most 1 KiB encoded.
 */
export interface FeedMeta {
  [field: string]: unknown
}

/** How blocks become values: a name that Hypercore knows, or a compact encoding. */
export type FeedEncoding = 'binary' | 'utf-8' | 'json' | object

/** Options of a feed's get(). */
export interface FeedGetOptions {
  /** False: null for a block that isn't here. Default true: wait for a peer. */
  wait?: boolean
  /** ms until a waiting get() rejects; 0: never. */
  timeout?: number
  /** For this block alone; default that of the session. */
  valueEncoding?: FeedEncoding
}

/** Options of a feed's append(); Hypercore's own are passed on. */
export interface FeedAppendOptions {
  /** Resolve only when it survives a power cut; those that wait share one sync. Default false: it survives a crash. */
  durable?: boolean
  /** While the writer recovers: wait for it instead of rejecting `ERR_FEEDS_RECOVERING`. Default false. */
  wait?: boolean
  /** Sign with this key pair instead of the set's. */
  keyPair?: KeyPair
}

/**
 * A feed of the set: a Hypercore session, described as far as this package promises it.
 *
 * Once its feed was revoked, `append` and every `get` of a block that isn't here reject `ERR_FEEDS_NOT_AUTHORIZED`;
 * blocks that are here stay readable, unless they were purged.
 */
export interface Feed<T = unknown> {
  /** 32 bytes, the hash of its manifest; not its author's key. Known after ready(). */
  readonly key: Uint8Array
  /** What may be shown to others: a keyed hash of the key. */
  readonly discoveryKey: Uint8Array
  /** `key` as z-base-32. */
  readonly id: string
  /** Can this session append? True only for writers of this set. */
  readonly writable: boolean
  /** Blocks, as far as we know. */
  readonly length: number
  /** How many blocks from the first one on are here without a hole. */
  readonly contiguousLength: number
  /** Bytes of all `length` blocks, here or not. */
  readonly byteLength: number
  /** Grows when the author truncates the feed; a writer of ours never does. */
  readonly fork: number
  /** Is ready() done? */
  readonly opened: boolean
  /** Was this session closed? */
  readonly closed: boolean
  /** Hypercore's own objects, one per connection that replicates it; for looking only. */
  // biome-ignore lint/suspicious/noExplicitAny: peers of a foreign class
  readonly peers: any[]
  /** Opens it; every other method waits for that, the getters don't. */
  ready(): Promise<void>
  /** Ends this session; the feed stays in the set, and the next get(key) gives a new session. */
  close(): Promise<void>
  /** Adds one block, or several in one step, at the end; resolves with the new lengths. @see FeedAppendOptions */
  append(
    blocks: T | readonly T[],
    options?: FeedAppendOptions
  ): Promise<{ length: number; byteLength: number }>
  /** The block at `index`, null only with `wait: false`. */
  get(index: number, options?: FeedGetOptions): Promise<T>
  /** Are all blocks from `start` to before `end` here? Default end: `start + 1`. */
  has(start: number, end?: number): Promise<boolean>
  /** Asks the peers for a greater length; true: it grew. `wait: false` only looks at what they have told. */
  update(options?: { wait?: boolean }): Promise<boolean>
  /** Deletes the blocks from `start` to before `end` from the disk. They can be fetched again; the length stays. */
  clear(start: number, end?: number): Promise<unknown>
  /** Fetches a range, or single `blocks`; `end: -1`: and all that is ever appended. Goes on until `destroy()`. */
  download(range?: { start?: number; end?: number; linear?: boolean; blocks?: number[] }): {
    done(): Promise<void>
    destroy(): void
  }
  /**
   * The blocks in order, waiting for those that aren't here; ends at the length of now, with `live: true` never. A live one lets
   * go of a loop that is left only when the next block comes, as at Hypercore; the set's `entries()` takes a signal.
   */
  createReadStream(options?: object): AsyncIterable<T>
  /** One more session, closed on its own. As at Hypercore it gives bytes, unless `options` have a `valueEncoding`. */
  session(options?: object): Feed<T>
  /** A session whose length stays that of now. Its encoding as with `session()`. */
  snapshot(options?: object): Feed<T>
  /** Listens to Hypercore's events, such as 'append', 'download', 'close'. */
  // biome-ignore lint/suspicious/noExplicitAny: listeners of a foreign emitter
  on(event: string, listener: (...args: any[]) => void): this
  /** As `on`, for the next one only. */
  // biome-ignore lint/suspicious/noExplicitAny: listeners of a foreign emitter
  once(event: string, listener: (...args: any[]) => void): this
  /** Takes a listener off again. */
  // biome-ignore lint/suspicious/noExplicitAny: listeners of a foreign emitter
  off(event: string, listener: (...args: any[]) => void): this
}

/** A Corestore, as far as it is used from outside node/hypercore.ts; recognised by its methods. */
export interface CorestoreLike {
  ready(): Promise<void>
  close(): Promise<void>
  // biome-ignore lint/suspicious/noExplicitAny: a foreign class
  get(options: any): any
  // biome-ignore lint/suspicious/noExplicitAny: a foreign class
  namespace(name: any): any
  // biome-ignore lint/suspicious/noExplicitAny: a foreign class
  replicate(stream: any): any
}

/**
 * An AbortSignal, described as far as it is used: every real one fits, and no library of types is needed to name it.
 * Once aborted it stays so, and what waited for it rejects with its `reason`.
 */
export interface AbortSignalLike {
  readonly aborted: boolean
  readonly reason: unknown
  throwIfAborted(): void
  addEventListener(type: 'abort', listener: () => void, options?: { once?: boolean }): void
  removeEventListener(type: 'abort', listener: () => void): void
}

/** Any duplex byte stream; or a Noise stream or Protomux, which are recognised. */
export interface DuplexLike {
  // biome-ignore lint/suspicious/noExplicitAny: listeners of foreign emitters can't be typed more narrowly
  on(event: any, listener: (...args: any[]) => void): unknown
  destroy?(error?: Error): unknown
}

/** A Protomux, recognised by `isProtomux`. */
export interface MuxLike {
  readonly isProtomux: true
}

/** Options of a set. */
export interface FeedSetOptions {
  /** Author of this set's writers. Never stored. Default: one derived from the storage's own secret. */
  keyPair?: KeyPair
  /** Sets with different namespaces have unrelated writers: 32 bytes as they are, a string is hashed. Default ''. */
  namespace?: string | Uint8Array
  /** How blocks become values. Default 'binary', as in Hypercore. */
  valueEncoding?: FeedEncoding
  /** Feeds that may be authorized at once. Default 4,096, at most 1,000,000. */
  maxFeeds?: number
  /** Bytes of blocks that are fetched of one feed. Default 1 GiB. */
  maxBytesPerFeed?: number
  /** Feeds that are open at once because of peers. Default 1,024. */
  maxOpen?: number
  /**
   * When a writer waits for a peer before its first append: 'auto' (default) if it may have been rolled back, as far as that
   * can be seen here; 'always' in every process. A snapshot of a whole machine can't be seen: use 'always' on such machines.
   */
  gate?: 'auto' | 'always'
  /** Overrides single bounds. */
  limits?: Partial<FeedsLimits>
}

/** Options of writer(). */
export interface WriterOptions {
  /** Noted when the writer is made; default `{ name }`. */
  meta?: FeedMeta
}

/** For protocols on top of a set: what authorize() notes beside the feed. */
export interface AuthorizeExtra {
  /** Version of the fact; default one above the known deny. At most 2^20 above the known version. */
  version?: number
  /** Bytes of the protocol above, logged in the same synced entry. At most 4 KiB. */
  record?: Uint8Array
  /** 'all' (default): fetch every block. 'sparse': only what is asked for. */
  download?: 'all' | 'sparse'
  /** Bytes of blocks that are fetched at most, if that is less than `maxBytesPerFeed`. */
  maxBytes?: number
  /** Blocks from this length on are invalid, as after revoke() with `cutoff`; the others are replicated. */
  until?: number
}

/** Options of revoke(). */
export interface RevokeOptions {
  /** Delete the blocks that are here. Default false: they stay readable. */
  purge?: boolean
  /**
   * Blocks from this length on are invalid: they are hidden at once and deleted. The lowest one counts, until authorize()
   * with a higher version lifts it.
   */
  cutoff?: number
  /** Told by the 'revoke' event; not stored. */
  reason?: string
  /** Version of the fact; default the known one, and a deny wins over an authorize of the same version. */
  version?: number
  /** Bytes of the protocol above, logged in the same synced entry. At most 4 KiB. */
  record?: Uint8Array
}

/** Options of replicate(). */
export interface ReplicateOptions<T = unknown> {
  /** False: this feed isn't granted to this peer. Asked for each authorized feed; a filter that throws refuses. */
  filter?(feed: Feed<T>): boolean
  /** Needed for a plain Duplex, which gets Noise added; ignored otherwise. */
  initiator?: boolean
  /** True: nothing is granted but by session.grant(). For protocols on top of a set. */
  manual?: boolean
}

/** The feeds of one set on one connection. Sessions of several sets share the one gate of the connection. */
export interface FeedSession<T = unknown> {
  /** Ids (z-base-32 of the feed key) of the feeds of this session that are attached now. */
  readonly replicating: ReadonlySet<string>
  /** True once close() was called, the set closed, or the connection died. */
  readonly closed: boolean
  /** Noise key of the peer; null before the handshake. */
  readonly remotePublicKey: Uint8Array | null
  /**
   * An early open: the peer opened a feed that isn't granted to it. The feed to grant (it must be in the set and have
   * this discovery key), or null to refuse. Has 2 s; a finder that throws or is late refuses.
   */
  asked?: ((discoveryKey: Uint8Array) => Promise<Feed<T> | null> | null) | undefined
  /**
   * Lets the peer replicate this feed. The feed must be in the set. Resolves when the gate has it, not when the peer
   * opened it.
   *
   * @returns False: it was granted before.
   * @throws {FeedsError} `ERR_FEEDS_NOT_AUTHORIZED`, `ERR_FEEDS_CLOSED`.
   */
  grant(key: Key): Promise<boolean>
  /**
   * Ends the grant. Resolves when the feed is detached and its channel closed, if no other holder grants it.
   *
   * @returns False: it wasn't granted.
   */
  revoke(key: Key): Promise<boolean>
  /** The peer has more of this feed than we: opens it, if it is granted. */
  wanted(key: Key, remoteLength: number): void
  /** The peer says that a feed that it refused may be opened now. */
  invited(key: Key): void
  /** Ends all grants of this session; the connection stays up. Idempotent. */
  close(): Promise<void>
}

/** For protocols on top of a set: opaque records in the set's log. */
export interface SetRecords {
  /** In the order in which they were logged. */
  list(): Iterable<Uint8Array>
  /** Resolves when they are on the disk. */
  append(records: readonly Uint8Array[]): Promise<void>
  /** Forgets those for which `keep` is false; they go from the disk when the log is written anew. */
  retain(keep: (record: Uint8Array) => boolean): void
}

/** How far a feed goes. */
export interface FeedLengths {
  /** Hypercore's counter of truncations. */
  fork: number
  /** Signed length that we know. */
  length: number
  /** Blocks from the first one on that are here without a hole. */
  complete: number
}

/** What is known about the replication of a feed. */
export interface FeedProgress {
  /** 32 bytes. */
  key: Uint8Array
  /** `key` as z-base-32. */
  id: string
  /**
   * 'waiting': blocks are missing and no peer has them now; 'downloading': a peer has more than we; 'complete': nothing
   * is missing; 'sparse': only what is asked for is fetched; 'quota': it is larger than what may be fetched of it;
   * 'recovering': a writer of ours that may have been rolled back; 'forked': signed twice, never asked for again.
   */
  state: 'waiting' | 'downloading' | 'complete' | 'sparse' | 'quota' | 'recovering' | 'forked'
  /** Signed length that we know. */
  length: number
  /** Blocks from the first one on that are here without a hole. */
  complete: number
  /** The greatest length that a connected peer has shown. */
  target: number
  /** Peers that replicate this feed with us now. */
  peers: number
}

/** Opaque printable text: where entries() goes on. */
export type Cursor = string

/** One block of one feed. */
export interface FeedEntry<T = unknown> {
  /** A session of the set; not the reader's to close. */
  feed: Feed<T>
  /** Index of the block in its feed. */
  seq: number
  /** The block, decoded by the set's `valueEncoding`. */
  value: T
  /** Everything that was delivered up to this entry, itself included. */
  readonly cursor: Cursor
}

/** Options of entries(). */
export interface EntriesOptions {
  /** Go on with what comes. Default false: end with what is here. */
  live?: boolean
  /** Start behind this cursor. */
  since?: Cursor
  /** Ends the iteration: the next entry rejects with the signal's reason. */
  signal?: AbortSignalLike
}

/** Evidence that a feed was signed twice for one length. */
export interface ForkProof {
  /** Key of the feed, 32 bytes. It isn't replicated any more. */
  key: Uint8Array
  /** Length for which there are two signatures. */
  length: number
  /** Hypercore's fork counter of the conflicting one. */
  fork: number
  /** Blocks that are the same under both; what is behind them is hidden. */
  common: number
  /** For others: quarantine() and verifyForkProof() take it. Null if it is not known any more, or never was. */
  proof: Uint8Array | null
}

/** A writer that was given up, because its storage may have lost blocks that others have, or because it forked. */
export interface Rotation {
  /** Name of the writer. */
  name: string
  /** Key of the feed that takes no more appends, 32 bytes. It stays in the set. */
  from: Uint8Array
  /** Key of its successor, 32 bytes. */
  to: Uint8Array
  /** Blocks of the old feed that are good. */
  length: number
}

/** Events of a set. */
export interface FeedSetEvents<T = unknown> {
  /** A feed entered the set: once for each feed and run, local writers and replayed ones included. */
  authorize: (feed: Feed<T>, meta: FeedMeta | null) => void
  /** A feed that was authorized is so no more; `reason` as revoke() got it. */
  revoke: (key: Uint8Array, reason: string | null) => void
  /** A feed got longer, by us or by its author; the blocks may not be here yet. */
  append: (feed: Feed<T>) => void
  /** Something moved: at most once per feed and `limits.progressMs`. */
  progress: (progress: FeedProgress) => void
  /** A feed was signed twice for one length. */
  fork: (proof: ForkProof) => void
  /**
   * A writer of ours may have been rolled back, or a peer shows more of it than we have: until it has caught up, its appends
   * reject `ERR_FEEDS_RECOVERING`, or wait with `{ wait: true }`.
   */
  recovering: (feed: Feed<T>) => void
  /** A writer of ours was given up; writer() has its successor from now on. */
  rotate: (rotation: Rotation) => void
  /** Trouble that the set survives; `code` begins with 'WARN_FEEDS_', or is that of a failed job. */
  warning: (error: FeedsError) => void
  /** All is closed. The error if the set ended by itself, null after close(). The last event. */
  close: (error: FeedsError | null) => void
}
