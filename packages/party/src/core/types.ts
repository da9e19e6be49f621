/**
 * The contract between the sans-IO core of a party and whoever drives it (the Node shell, a simulator, another runtime).
 *
 * `PartyCore.step(input, nowMs)` returns effects. The driver applies them in order and skips none; an answer to a
 * question or a job comes back as an input, late, twice or never. `nowMs` is Unix time in ms that never decreases.
 * The core reads no clock, draws no randomness, starts no timer and does no I/O. Start reading at `party-core.ts`.
 */
import type { ConnectionBinding, CryptoPort } from '@hearsay/gossip/core'
import type { Limits } from '../limits.js'
import type { FactMessage, Genesis } from '../types.js'
import type { IntroducedBundle } from './bundles.js'
import type { CallToken } from './calls.js'
import type { AnswerResult, CloseReason } from './frames.js'
import type { Origin } from './records.js'

export type { IntroducedBundle } from './bundles.js'
export type { CallToken } from './calls.js'
export type { AnswerResult, CloseReason } from './frames.js'

/** The party on a connection, numbered by the driver; never used twice in the life of a core. */
export type ChannelId = number

/** Why a channel ended: what we told the remote, or what happened to us. */
export type ChannelDownReason =
  | Exclude<CloseReason, 'unknown'>
  | 'bad-proof'
  | 'backoff'
  | 'timeout'
  | 'closed'

/** Why input of a remote was not taken. Each is a counter. */
export type PartyDropReason =
  | 'malformed'
  | 'too-large'
  | 'unknown-kind'
  | 'wrong-phase'
  | 'over-budget'
  | 'bad-signature'
  | 'bad-origin'
  | 'inadmissible'
  | 'duplicate'
  | 'expired'
  | 'denied'
  | 'version-step'
  | 'pending-full'
  | 'unchecked-full'

/** An introduction as it is told to the driver. */
export interface IntroductionInfo {
  /** Number of the pending entry; what `decide` names. */
  readonly id: number
  /** 1 to 64, all different, 32 bytes each. */
  readonly keys: readonly Uint8Array[]
  /** Type of the bundle, at most 32 bytes of UTF-8; empty if it wasn't said. */
  readonly type: string
  /** msgpack of a remote: decode it in a guard. */
  readonly meta: Uint8Array
  /** Who signed the record, 32 bytes; verified. */
  readonly author: Uint8Array
  /** Were all keys proven to be feeds of the author? */
  readonly own: boolean
  /** Did an admin authorize it, rather than a member introduce it? */
  readonly authorized: boolean
  /** Role that the admin gave it, 0 to 255; 0 for an introduction. */
  readonly role: number
  /** Of the record, from 1. */
  readonly version: number
  /** Where it came from directly; null: by gossip, or from the log. */
  readonly channel: ChannelId | null
}

/** A feed or bundle of ours that is to be introduced. */
export interface OwnIntroduction {
  /** 1 to 64, all different, 32 bytes each; the introduction is known by the first. */
  readonly keys: readonly Uint8Array[]
  /** Type of the bundle, at most 32 bytes of UTF-8; empty: not said. */
  readonly type: string
  /** msgpack, or empty; at most `maxMetaBytes`. */
  readonly meta: Uint8Array
  /** Unix seconds; 0: never. */
  readonly expires: number
  /** How `keys[0]` follows from our author key: nothing claimed, a full writer name, or a namespace of 32 bytes. */
  readonly origin: Origin
}

/** What the rules said to an introduction. */
export type Verdict = 'accept' | 'reject' | 'undecided' | { readonly keys: readonly Uint8Array[] }

/** Answer to an effect `ask`. */
export type Answer =
  | { about: 'handshake'; agreed: boolean; reason: string }
  | { about: 'introduce'; verdict: Verdict; reason: string }
  | { about: 'request'; ok: true; typeName: string; value: Uint8Array }
  | { about: 'request'; ok: false; code: string; message: string }

/** What the core is told. */
export type PartyInput =
  /** Records of the log, in their order, before anything else. */
  | { type: 'replayed'; records: readonly Uint8Array[] }
  /** A feed is in the set: at start, by our own authorize, or by a local writer. */
  | { type: 'feedAdded'; feed: AddedFeed }
  /** A feed left the set. */
  | { type: 'feedRemoved'; key: Uint8Array }
  /** What is known and what is here of a feed, in blocks. */
  | { type: 'feedLength'; key: Uint8Array; fork: number; length: number; complete: number; isWanted: boolean }
  /** The remote opened our channel; `hello` may be a view. */
  | { type: 'channelUp'; channel: ChannelId; binding: ConnectionBinding; hello: Uint8Array }
  /** A frame of kind 0.. (the Protomux message index). `bytes` may be a view: the core copies what it keeps. */
  | { type: 'frame'; channel: ChannelId; kind: number; bytes: Uint8Array }
  | { type: 'channelDown'; channel: ChannelId }
  /** The channel takes no more for now, or takes more again. */
  | { type: 'blocked'; channel: ChannelId }
  | { type: 'drained'; channel: ChannelId }
  /** Answer to `ask`. */
  | { type: 'answer'; question: number; answer: Answer }
  /** A job was written (null), or couldn't be (a code of errors.ts). */
  | { type: 'logged'; job: number; code: string | null }
  /** Introduce to all members (`channel` null), or to one peer by a call of this number. */
  | { type: 'introduce'; introductions: readonly OwnIntroduction[]; job: number }
  | {
      type: 'introduceTo'
      channel: ChannelId
      call: CallToken
      introductions: readonly OwnIntroduction[]
      timeoutMs: number
    }
  | { type: 'withdraw'; keys: readonly Uint8Array[]; job: number }
  | { type: 'revoke'; key: Uint8Array; cutoff: number | null; purge: boolean; reason: string; job: number }
  /** Takes a member out; `isWithFeeds`: its feeds, too; `isCascading`: whom it admitted stays out. */
  | { type: 'remove'; subject: Uint8Array; isWithFeeds: boolean; isCascading: boolean; job: number }
  /** Admits a member, or the holder of an invite. */
  | { type: 'admit'; admission: Admission; job: number }
  /** An admin's word that a feed may be opened. */
  | { type: 'authorizeAll'; authorization: Authorization; job: number }
  /** The app's accept() or reject() on a pending introduction. */
  | { type: 'decide'; introduction: number; accept: boolean; reason: string; job: number }
  | { type: 'setRules' }
  | {
      type: 'call'
      channel: ChannelId
      call: CallToken
      typeName: string
      value: Uint8Array
      timeoutMs: number
    }
  | { type: 'cancelCall'; call: CallToken }
  | { type: 'ephemeral'; channel: ChannelId; typeName: string; value: Uint8Array }
  /** A grant for this peer alone. */
  | { type: 'replicate'; channel: ChannelId; key: Uint8Array; job: number }
  /** The peer opened a feed that isn't granted to it. */
  | { type: 'refused'; channel: ChannelId; discoveryKey: Uint8Array }
  /** A record came by gossip, signed by `author` there, too. */
  | { type: 'gossiped'; record: Uint8Array; channel: ChannelId | null }
  /** One-shot sync: until `settle` names this call. */
  | { type: 'sync'; call: CallToken }
  /** We close this party's channel, and all others of the same member. */
  | { type: 'closePeer'; channel: ChannelId }
  | { type: 'close' }
  /** A deadline that `wake` named may have come. */
  | { type: 'tick' }

/** Whom to admit, to what. */
export interface Admission {
  /** Author key of the member, or public key of the invite; 32 bytes. */
  readonly subject: Uint8Array
  /** Bits of `CAPABILITY`. */
  readonly capabilities: number
  /** How many admissions may follow. */
  readonly depth: number
  /** Unix s; 0: never. */
  readonly expires: number
  /** 1 for a member. How often an invite may be redeemed; 0: its holders admit themselves. */
  readonly uses: number
  /** Does the admission make an invite? Then the subject is its public key. */
  readonly isInvite: boolean
}

/** What an admin says of a feed. */
export interface Authorization {
  /** Of the feed, 32 bytes. */
  readonly key: Uint8Array
  /** 0 to 255; the app's. */
  readonly role: number
  /** Bytes of blocks at most; 0: no bound of its own. */
  readonly maxBytes: number
  /** Unix s; 0: never. */
  readonly expires: number
}

/** On what terms a feed is in the set. */
export interface FeedTerms {
  /** Bytes of blocks that are fetched at most; 0: no bound of its own. */
  readonly maxBytes: number
  /** Blocks from this length on are invalid; null: all are valid. */
  readonly until: number | null
}

/** The invite that a newcomer holds. */
export interface HeldInvite {
  /** Public key of the invite, 32 bytes. */
  readonly publicKey: Uint8Array
  /** Signs as the invite. */
  readonly sign: CryptoPort['sign']
  /** Unix s; 0: never. */
  readonly expires: number
  /** Credential of an unlimited invite, from the genesis down; empty: its uses are counted. */
  readonly chain: Uint8Array
}

/** A feed that entered the set. */
export interface AddedFeed {
  /** 32 bytes. */
  readonly key: Uint8Array
  /** 32 bytes; what the feed is called on a connection. */
  readonly discoveryKey: Uint8Array
  /** Version of the authorization. */
  readonly version: number
  /** Is it a writer of ours? */
  readonly isOwn: boolean
}

/** What the core asks for. */
export type PartyEffect =
  | { type: 'send'; channel: ChannelId; kind: number; bytes: Uint8Array }
  /** Close the channel; the stream stays. */
  | { type: 'closeChannel'; channel: ChannelId; reason: ChannelDownReason }
  /** A member was proven and bound: the first channel with it. Precedes the question 'handshake'. */
  | { type: 'peerAdd'; channel: ChannelId; author: Uint8Array; credential: Uint8Array }
  /** Another channel with a member that was added before, by its channel `first`. */
  | { type: 'peerJoin'; channel: ChannelId; first: ChannelId; author: Uint8Array }
  /** Both sides agreed: gossip is admitted, introductions and grants flow. Once for each channel. */
  | { type: 'live'; channel: ChannelId }
  /** The channel is over. */
  | { type: 'channelDown'; channel: ChannelId; reason: ChannelDownReason }
  /** The last channel of a member is over; `channel` is that of its 'peerAdd'. */
  | { type: 'peerRemove'; channel: ChannelId }
  | { type: 'ask'; question: number; about: 'handshake'; channel: ChannelId }
  | {
      type: 'ask'
      question: number
      about: 'introduce'
      channel: ChannelId | null
      introductions: readonly IntroductionInfo[]
    }
  | {
      type: 'ask'
      question: number
      about: 'request'
      channel: ChannelId
      typeName: string
      value: Uint8Array
    }
  | { type: 'ephemeral'; channel: ChannelId; typeName: string; value: Uint8Array }
  /** Authorize these keys, `record` in the same log entry; answer with `logged`. */
  | {
      type: 'authorize'
      job: number
      keys: readonly Uint8Array[]
      record: Uint8Array
      meta: Uint8Array
      /** Of an admin's authorization, which may win over a denial; 0: none of its own. */
      version: number
      /** Terms of each of these keys, in their order. */
      terms: readonly FeedTerms[]
    }
  /** From block `length` on this feed is denied; up to there it stays in the set. Answer with `logged`. */
  | {
      type: 'cut'
      job: number
      key: Uint8Array
      version: number
      length: number
      /** As in the terms of the feed. */
      maxBytes: number
      /** Null: it is written already. */
      record: Uint8Array | null
    }
  /** The authorization of this feed ran out: close it, without a record. Answer with `logged`. */
  | { type: 'unauthorize'; job: number; key: Uint8Array }
  /** Write these records; answer with `logged`. */
  | { type: 'log'; job: number; records: readonly Uint8Array[] }
  /** Revoke this feed, `record` in the same log entry; answer with `logged`. */
  | {
      type: 'deny'
      job: number
      key: Uint8Array
      version: number
      cutoff: number | null
      purge: boolean
      reason: string
      record: Uint8Array
    }
  | { type: 'grant'; channel: ChannelId; key: Uint8Array }
  /** The peer has more of this feed than we. */
  | { type: 'wanted'; channel: ChannelId; key: Uint8Array; length: number }
  /** The peer tells that it granted a feed that it refused before. */
  | { type: 'invited'; channel: ChannelId; key: Uint8Array }
  /** Gossip this record of ours to all members. */
  | { type: 'publish'; record: Uint8Array }
  /** A job of ours is done, or failed with this code. */
  | { type: 'done'; job: number; code: string | null; keys?: readonly Uint8Array[]; isNew?: boolean }
  /** A call of ours is over. */
  | { type: 'settle'; call: CallToken; result: CallResult }
  /** No verdict of the rules: the app is to decide. */
  | { type: 'introduction'; introduction: IntroductionInfo }
  /** A pending introduction was decided or dropped. */
  | { type: 'introductionDone'; introduction: number; state: 'accepted' | 'rejected' | 'ignored' }
  | { type: 'reject'; key: Uint8Array; author: Uint8Array; reason: string }
  /** The introduction of this slot (hex) counts now, ours or accepted, also of the log. Null: it counts no more. */
  | { type: 'bundle'; slotId: string; bundle: IntroducedBundle | null; meta: Uint8Array }
  | { type: 'drop'; channel: ChannelId | null; reason: PartyDropReason }
  | { type: 'warning'; code: WarningCode; channel: ChannelId | null; detail: string }
  /** Somebody became a member. */
  | { type: 'members' }
  /** The peer of this channel has redeemed an invite, or couldn't: a code of errors.ts. */
  | { type: 'redeemed'; channel: ChannelId; code: string | null }
  /** The invite that we hold admits nobody; `code` says why. */
  | { type: 'inviteFailed'; code: string }
  /** The core wants `tick` at `atMs`. Replaces the earlier wish; Infinity: no wish. */
  | { type: 'wake'; atMs: number }

/** Codes of `errors.ts` that the core itself gives. */
export type WarningCode =
  | 'WARN_PARTY_BAD_PROOF'
  | 'WARN_PARTY_BAD_BINDING'
  | 'WARN_PARTY_VERSION'
  | 'WARN_PARTY_CHANNEL_CLOSED'
  | 'WARN_PARTY_BAD_RECORD'
  | 'WARN_PARTY_EQUIVOCATION'
  | 'WARN_PARTY_STALLED'
  | 'WARN_PARTY_LIMIT'

/** How a call of ours ended. */
export type CallResult =
  | { ok: true; typeName: string; value: Uint8Array }
  | { ok: true; results: readonly AnswerResult[] }
  | { ok: true; feeds: number; blocks: number }
  | { ok: false; code: string; message: string }

/** What a core is made of. */
export interface PartyCoreOptions {
  /** 32 bytes. */
  partyKey: Uint8Array
  /** Our author key, 32 bytes. */
  author: Uint8Array
  /** Signs as `author`. */
  crypto: CryptoPort
  /** All bounds; start from `LIMITS`. */
  limits: Limits
  /** Who founded the party; must hash to the party key. */
  genesis?: Genesis | null
  /** Told in BIND, for diagnosis; at most 32 bytes of UTF-8. */
  agent?: string
  /** Told in BIND, for the rules of the remote. */
  credential?: Uint8Array
  /** Redeemed as long as we are no member. */
  invite?: HeldInvite
  /** Number of facts ever logged, told in BIND for diagnosis. Default 0. */
  setVersion?: () => number
  /** Key of the feed that this author writes under this namespace: `feedKeyOfNamespace` of `@hearsay/feeds`. */
  feedKeyOf(author: Uint8Array, namespace: Uint8Array): Uint8Array
  /** What the set knows of a feed: the version that counts, and whether that is a denial. Null: never heard of it. */
  versionOf(key: Uint8Array): { version: number; denied: boolean } | null
  /** May this feed be shown to the peer of this channel? Must not throw. Default: yes. */
  share?(channel: ChannelId, key: Uint8Array): boolean
  /** May `share` say no at all? Then introductions aren't gossiped. Default: no. */
  isSelective?(): boolean
  /** Do facts of this author count beside the founder's? Must not throw. Default: no. */
  isAdmin?(author: Uint8Array, record: FactMessage): boolean
}
