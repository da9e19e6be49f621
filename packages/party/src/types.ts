/**
 * Public types of this package: what applications see of parties, their members, rules and introductions.
 *
 * All of them are structural: a `Feed` is a Hypercore session and a `FeedSetLike` the set of `@hearsay/feeds`, of which
 * only the members that a party uses or hands on are written here, so that no untyped module is part of our
 * declarations. Start reading at `PartyOptions` and `PartyRules`.
 */
import type { Feed, FeedMeta, FeedProgress } from '@hearsay/feeds'
import type {
  AbortSignalLike,
  DuplexLike,
  Key,
  KeyPair,
  Peer,
  Published,
  PublishOptions,
  Subscription,
  SubscriptionOptions,
  TopicEvents,
  TopicOptions
} from '@hearsay/gossip'
import type { PartyBundle } from './bundle-types.js'
import type { Limits } from './limits.js'
import type { Capability, FactMessage } from './member-types.js'

export type { Feed, FeedMeta, FeedProgress } from '@hearsay/feeds'
export type {
  AbortSignalLike,
  DuplexLike,
  Key,
  KeyPair,
  Message,
  TopicEvents,
  TopicOptions
} from '@hearsay/gossip'
export type * from './bundle-types.js'
export type { Limits } from './limits.js'
export type {
  AdmitOptions,
  AuthorizeOptions,
  Capability,
  FactMessage,
  InviteLinkOptions,
  InviteOptions,
  RemoveOptions
} from './member-types.js'
export type { NodeDuplexLike, NodeEmitterLike, NodeWritableLike } from './node-duplex.js'

/** A topic of `@hearsay/gossip`. */
export interface Topic<T = unknown> {
  /** As given to `gossip.join()`; for a topic of a party the z-base-32 of `discoveryKey`. */
  readonly name: string
  /** What would be announced in a DHT, 32 bytes; tells nothing of the name. */
  readonly discoveryKey: Uint8Array
  /** Signs a message and hands it to the links; resolves then, not when somebody has it. Best effort. */
  publish(data: T, options?: PublishOptions): Promise<Published>
  /** The messages from now on, as a bounded queue of their own; read it with `for await`. */
  messages(options?: SubscriptionOptions): Subscription<T>
  /** Who is linked on this topic now. */
  peers(): Peer[]
  /** Says goodbye on this topic; the connections stay. Nothing is delivered afterwards. */
  leave(): Promise<void>
  /** Listens to an event of `TopicEvents`. */
  on<E extends keyof TopicEvents<T>>(event: E, listener: TopicEvents<T>[E]): unknown
  /** As `on`, for the next one only. */
  once<E extends keyof TopicEvents<T>>(event: E, listener: TopicEvents<T>[E]): unknown
  /** Takes a listener off again. */
  off<E extends keyof TopicEvents<T>>(event: E, listener: TopicEvents<T>[E]): unknown
}

/** What a `synced()` resolves with: what came while it ran. */
export interface SyncedResult {
  /** Feeds of others that grew, new ones included. */
  feeds: number
  /** Blocks of these that came. */
  blocks: number
}

/** Options of whatever waits for remotes. */
export interface WaitOptions {
  /** Gives up: rejects with its reason. Default: none. */
  signal?: AbortSignalLike
  /** Reject with ERR_PARTY_TIMEOUT after so long. */
  timeoutMs?: number
}

/** Options of a revocation. */
export interface RevokeOptions {
  /** Delete the blocks, too. Default false: what came before the cutoff stays readable. */
  purge?: boolean
  /** First block that is revoked; default: all. */
  cutoff?: number
  /** Told to the members; at most 128 bytes of UTF-8. */
  reason?: string
}

/** What becomes of an introduction. */
export type IntroductionState = 'pending' | 'accepted' | 'rejected' | 'ignored'

/** A feed or bundle that a member has told the party of. */
export interface Introduction {
  /** First key, 32 bytes. */
  readonly key: Uint8Array
  /** All keys of the bundle, 1 to 64. */
  readonly keys: readonly Uint8Array[]
  /** `key` as z-base-32. */
  readonly id: string
  /** Type of the bundle; empty if it wasn't said. */
  readonly type: string
  /** What the author noted; of a stranger, so its shape is anything. Null: nothing. */
  readonly meta: FeedMeta | null
  /** Who signed the introduction; verified. Not always who writes the feed. */
  readonly author: Uint8Array
  /** Did the author prove that it is the feed's writer, too? */
  readonly own: boolean
  /** Version of the record: grows with every change by its author. */
  readonly seq: number
  /** The peer that brought it directly; null when it came by gossip. */
  readonly via: PartyPeer | null
  /** Changes by accept() and reject(), by other rules, and when the introduction is withdrawn or expires. */
  readonly state: IntroductionState
  /** @throws {PartyError} ERR_PARTY_EXPIRED, ERR_PARTY_REVOKED, ERR_PARTY_LIMIT, ERR_PARTY_STORAGE. */
  accept(): Promise<Feed>
  /** Decides against it; without effect if it was decided before. `reason` is told to the peer that brought it. */
  reject(reason?: string): void
}

/** Options of a request. */
export interface RequestOptions {
  /** 1,000 to 600,000 ms, default 5,000. */
  timeoutMs?: number
  /** Gives up: rejects with its reason. The peer isn't told, and may still act on the request. */
  signal?: AbortSignalLike
}

/** A message of the app to one peer. `type` has at most 64 bytes; names that begin with 'sys/' are reserved. */
export interface PeerMessage {
  type: string
  /** Anything that msgpack can carry, bytes included; with the type less than one frame (`limits.maxFrameBytes`). */
  value?: unknown
}

/** Answer to a direct introduction. */
export interface IntroductionAnswer {
  /** Keys that the peer opened. */
  accepted: Uint8Array[]
  /** The others; `reason` is the peer's text or, without one, 'rejected', 'pending' or 'ignored'. */
  rejected: { key: Uint8Array; reason: string }[]
}

/** A member at the other end of a connection. */
export interface PartyPeer {
  /** Its Noise public key, 32 bytes. Not an author key. */
  readonly remotePublicKey: Uint8Array
  /** Its author key, 32 bytes; bound to this connection by a signature. */
  readonly author: Uint8Array
  /** Ours, through which we know this peer. */
  readonly party: PartyLike
  /** Ids (z-base-32 of the feed key) of the feeds that replicate with it now. */
  readonly replicating: ReadonlySet<string>
  /**
   * Introduces feeds to this peer alone, and resolves with what its rules said. Nobody else is told.
   *
   * @throws {PartyError} `ERR_PARTY_TIMEOUT`, `ERR_PARTY_CLOSED`, `ERR_PARTY_BUSY`.
   */
  introduceFeeds(
    message: { keys: Key[]; meta?: FeedMeta },
    options?: RequestOptions
  ): Promise<IntroductionAnswer>
  /** A grant for this peer alone; false: it was replicating already. */
  replicate(feed: Feed | Key): Promise<boolean>
  /** Rejects with the remote's code, or ERR_PARTY_TIMEOUT, ERR_PARTY_CLOSED, ERR_PARTY_BUSY. */
  request(message: PeerMessage, options?: RequestOptions): Promise<{ type: string; value: unknown }>
  /** No answer; lost without notice when the peer goes. */
  sendEphemeralMessage(message: PeerMessage): Promise<void>
  /** Closes this party's channels with this peer; the stream is the app's. */
  close(): Promise<void>
}

/** An introduction as a rule sees it. */
export interface IntroduceMessage {
  /** 1 to 64, 32 bytes each; the verdict may name some of them. */
  readonly keys: readonly Uint8Array[]
  /** Type of the bundle, a hint; empty if it wasn't said. */
  readonly type: string
  /** What the author noted; of a stranger, so its shape is anything. Null: nothing. */
  readonly meta: FeedMeta | null
  /** Who signed it, 32 bytes; verified. */
  readonly author: Uint8Array
  /** Did the author prove that it is the feed's writer, too? */
  readonly own: boolean
  /** Is it the word of an admin that the feed may be opened, rather than an introduction? */
  readonly authorized: boolean
  /** Role that the admin gave it, 0 to 255, without a meaning here; 0 for an introduction. */
  readonly role: number
  /** When it is a part of a bundle that was accepted before: first key of that bundle. */
  readonly bundle: Uint8Array | null
}

/** What a rule that judges an introduction may answer: yes, no, these keys only, or nothing: undecided. */
// biome-ignore lint/suspicious/noConfusingVoidType: a rule that returns nothing leaves the introduction undecided
export type IntroduceVerdict = boolean | readonly Key[] | null | undefined | void

/** A value, or the promise of one. */
export type Awaitable<T> = T | Promise<T>

/** An app's judgement. Every method is optional; one that throws or takes over `ruleTimeoutMs` refuses. */
export interface PartyRules {
  /** For logs and `party.toJSON()`; never sent. */
  readonly name?: string
  /** Bytes of blocks that are fetched of each feed that these rules accept; the lower of this and other bounds counts. */
  readonly maxBytesPerFeed?: number
  /** May this feed be shown to this peer? Default yes. Asked often: keep it cheap. */
  share?(query: {
    feed: { readonly key: Uint8Array; readonly meta: FeedMeta | null }
    peer: PartyPeer
  }): boolean
  /** The peer is proven and bound; it isn't admitted yet. */
  ready?(event: { peer: PartyPeer; party: PartyLike }): Awaitable<unknown>
  /** Rejecting, throwing or returning false refuses the peer. */
  handshake?(event: { peer: PartyPeer; party: PartyLike }): Awaitable<unknown>
  /** The peer asked for a feed that isn't in the set. What is returned must have that discovery key. */
  findFeed?(query: { peer: PartyPeer; discoveryKey: Uint8Array }): Awaitable<Feed | null | undefined>
  /** Should these feeds be opened? `peer` is null when the introduction came by gossip, or from the log. */
  onIntroduceFeeds?(event: {
    peer: PartyPeer | null
    party: PartyLike
    message: IntroduceMessage
  }): Awaitable<IntroduceVerdict>
  /** Answers a request; null or nothing: an answer without a value. Of what is thrown the peer gets `code` and message. */
  onRequest?(event: { peer: PartyPeer; message: PeerMessage }): Awaitable<PeerMessage | null | undefined>
  /** A message without an answer. What is thrown becomes a 'warning'. */
  onEphemeralMessage?(event: { peer: PartyPeer; message: PeerMessage }): Awaitable<unknown>
  /** Whose revoke, remove and authorize facts count beside the founder's and the admins'? Default nobody's. */
  admin?(query: { author: Uint8Array; record: FactMessage }): boolean
}

/** Bounds of the `open` rules. */
export interface OpenOptions {
  /** Default 4,096. */
  maxFeeds?: number
  /** Feeds of one author, default 256. */
  maxPerAuthor?: number
  /** Default 1 GiB. */
  maxBytesPerFeed?: number
}

/** Makes a party key: whoever founded it is its first admin. A bare key has none. */
export interface Genesis {
  /** 32 bytes. */
  readonly founderPublicKey: Uint8Array
  /** 32 random bytes. */
  readonly salt: Uint8Array
}

/** Options of a party. */
export interface PartyOptions {
  /** Party key: the secret that its members share. Needed unless `invite` is given. */
  key?: Key
  /** An invite link, as `invite()` gives it: says the key and the genesis, and is redeemed as long as we are no member. */
  invite?: string
  /** A folder, or a Corestore (never closed by us). Needed unless `feeds` is given. */
  storage?: string | object
  /** An existing set; it keeps its own namespace and stays the app's. */
  feeds?: FeedSetLike
  /** An existing Gossip; it stays the app's. */
  gossip?: GossipLike
  /** Author key pair; default: that of `feeds` or `gossip`, else a new one that is kept in `storage`. */
  keyPair?: KeyPair
  /** Default `rules.manual()`: introductions stay pending, nothing is opened. */
  rules?: PartyRules
  /** Proves who founded the party; without it no admin but those that `rules.admin` names. */
  genesis?: Genesis
  /** A chain of admissions, as `admit()` gives it: sent to every proven peer, at most 2 KiB. Kept in the log from then on. */
  credential?: Uint8Array
  /** Local name, never sent. */
  name?: string
  /** Local notes, never sent. */
  metadata?: unknown
  /** Overrides single bounds of `LIMITS`. */
  limits?: Partial<Limits>
}

/** Where the replication of a feed stands, with what the peers say of it. */
export interface PartyProgress extends FeedProgress {
  /** Blocks that a peer has and we don't, as far as they are to be fetched. The total of all feeds is known before the download. */
  missing: number
  /** What each peer says that it has of the feed: blocks, and those from the first one on without a hole. */
  byPeer: readonly { readonly peer: PartyPeer; readonly length: number; readonly complete: number }[]
}

/** Events of a party. */
export interface PartyEvents {
  /** The rules left it undecided: accept() or reject() it, or leave it pending. */
  introduction: (introduction: Introduction) => void
  /** Once for each feed that enters the set, local writers included. */
  feed: (feed: Feed, meta: FeedMeta | null) => void
  /** A bundle counts: it was accepted or introduced here, in this version; once for each also after a restart. */
  bundle: (bundle: PartyBundle) => void
  /** An introduced feed was refused, by the rules or by the app. */
  reject: (event: { key: Uint8Array; author: Uint8Array; reason: string }) => void
  /** A feed of the set was revoked, here or by a member whose word counts. `reason` may be empty. */
  revoke: (key: Uint8Array, reason: string) => void
  'peer-add': (peer: PartyPeer) => void
  'peer-remove': (peer: PartyPeer) => void
  /** Where the replication of a feed stands; at most one per feed and 100 ms. */
  progress: (progress: PartyProgress) => void
  /** Remote trouble; the party goes on. */
  warning: (error: Error) => void
  /** All that is ours is closed; with an error if a local fault ended it. The last event. */
  close: (error?: Error) => void
}

/** What rules and peers see of their party. */
export interface PartyLike {
  readonly key: Uint8Array
  readonly discoveryKey: Uint8Array
  /** `discoveryKey` as z-base-32: safe to log. */
  readonly id: string
  readonly peers: ReadonlySet<PartyPeer>
  /** What the chains of admissions below the founder allow this author; the founder everything, a stranger nothing. */
  capabilitiesOf(author: Key): readonly Capability[]
  /** The same of a peer; of one that holds an invite once it has redeemed it, or failed to. For rules of the handshake. */
  admission(peer: PartyPeer): Promise<readonly Capability[]>
}

/** The members of a FeedSet that name it for an app; what else a party needs of it is between the packages. */
export interface FeedSetLike {
  readonly author: Uint8Array
  has(key: Key): boolean
  get(keyOrName: Key | string): Feed | null
}

/** The members of a Gossip that name it for an app. */
export interface GossipLike {
  readonly publicKey: Uint8Array
  attach(stream: DuplexLike, options?: { initiator?: boolean }): unknown
  join<T = unknown>(topic: string | Uint8Array, options?: TopicOptions<T>): Topic<T>
}

/** What `join()` returns: one presence on the DHT. */
export interface PartySwarm {
  /** All that the DHT knows now was tried. */
  flushed(): Promise<void>
  /** Announces and looks up no more; connections that are there stay. */
  leave(): Promise<void>
}

/** A reader's place in a durable topic: opaque and printable. */
export type Cursor = string

/** One message of a durable topic. */
export interface DurableMessage<T = unknown> {
  /** What was published, decoded. */
  data: T
  /** Who wrote the feed, 32 bytes. */
  author: Uint8Array
  /** Feed key that holds it, 32 bytes. */
  feed: Uint8Array
  /** Block of the feed. */
  seq: number
  /** Unix ms by the author's clock. */
  createdAt: number
  /** Resume after this message. */
  cursor: Cursor
  /** False: it came from the feed's past, not from gossip or replication just now. */
  live: boolean
}

/** What publish() of a durable topic resolves with. */
export interface DurablePublished {
  /** Key of our feed for this topic, 32 bytes. */
  feed: Uint8Array
  /** Block that holds the message. */
  seq: number
  /** Links that it was handed to now. */
  peers: number
}

/** A topic whose messages live in the feeds of their authors. */
export interface DurableTopic<T = unknown> extends Omit<Topic<T>, 'publish' | 'messages'> {
  /** `durable: true` waits until it survives a power cut. */
  publish(data: T, options?: { durable?: boolean; signal?: AbortSignalLike }): Promise<DurablePublished>
  /** Per author in order, without gaps, each at most once. */
  messages(options?: {
    from?: 'start' | 'now' | Cursor
    signal?: AbortSignalLike
  }): AsyncIterable<DurableMessage<T>>
}

/** Options of a party's topic. */
export type PartyTopicOptions<T = unknown> = TopicOptions<T> & { durable?: boolean }
