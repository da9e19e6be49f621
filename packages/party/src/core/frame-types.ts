/**
 * Shapes of the hello and of the messages 0 to 17 of the party channel, decoded. Encoding and bounds are in `frames.ts`.
 */
import type { DigestFrame } from '@hearsay/feeds/core'
import type { SetNumber } from './keys.js'

/** First message of a channel. */
export interface Hello {
  /** Version of the protocol; 1. */
  readonly version: number
  /** 32 bytes. */
  readonly proof: Uint8Array
  /** Feature bits; none yet. */
  readonly features: number
  /** Largest frame that the sender takes. */
  readonly maxFrameBytes: number
}

/** A peer's verdict on an introduced key. */
export type AnswerVerdict = 'rejected' | 'accepted' | 'pending' | 'ignored'

/** One key of an ANSWER. */
export interface AnswerResult {
  /** 32 bytes; one of those that were introduced, if the peer is honest. */
  readonly key: Uint8Array
  /** What its rules said; 'pending': nothing yet, and no second answer follows. */
  readonly verdict: AnswerVerdict
  /** An `ERR_PARTY_*` code or the rule's text; at most 128 bytes. */
  readonly reason: string
}

/** What a peer has of one feed. */
export interface LengthEntry {
  /** 16 bytes. */
  readonly slot: Uint8Array
  /** Hypercore's fork counter; lengths of different forks can't be compared. */
  readonly fork: number
  /** Blocks that are signed; below 2^48. */
  readonly length: number
  /** Blocks of these that it has. */
  readonly complete: number
}

/** Why a channel is closed, in the order of their numbers. */
export const CLOSE_REASONS = [
  'leaving',
  'refused',
  'rules-timeout',
  'malformed',
  'limit',
  'wrong-phase',
  'bad-binding',
  'removed',
  'version',
  'shutdown'
] as const

/** Why a channel is closed; 'unknown' is a reason of a later version. */
export type CloseReason = (typeof CLOSE_REASONS)[number] | 'unknown'

/** Records of a compared set: pulled ones, or, with round 0, pushed ones. */
export interface RecordsFrame {
  /** Tells it from the other frames. */
  readonly type: 'records'
  /** 0 or 1; set 2 has lengths instead of records. */
  readonly set: SetNumber
  /** 0: pushed. */
  readonly round: number
  /** Ends the answer to one PULL; an answer may take several frames. */
  readonly isLast: boolean
  /** Each as its author signed it, at most 4 KiB; none of them decoded. */
  readonly records: readonly Uint8Array[]
}

/** A message of the channel. */
export type PartyFrame =
  | {
      type: 'bind'
      author: Uint8Array
      signature: Uint8Array
      setVersion: number
      agent: string
      credential: Uint8Array
    }
  | DigestFrame
  | RecordsFrame
  | { type: 'ready' }
  | { type: 'introduce'; call: number; records: readonly Uint8Array[] }
  | { type: 'answer'; call: number; results: readonly AnswerResult[] }
  | { type: 'lengths'; entries: readonly LengthEntry[] }
  | { type: 'grant'; isGranted: boolean; slots: readonly Uint8Array[]; reason: number }
  | { type: 'request'; call: number; name: string; value: Uint8Array }
  | { type: 'response'; call: number; name: string; value: Uint8Array }
  | { type: 'error'; call: number; code: string; message: string }
  | { type: 'ephemeral'; name: string; value: Uint8Array }
  | { type: 'synced'; round: number; missing: number }
  | { type: 'close'; reason: CloseReason; text: string }

/** Message indexes of the channel: append only. */
export const FrameKind = Object.freeze({
  BIND: 0,
  ROOT: 1,
  NODES: 2,
  ITEMS: 3,
  PULL: 4,
  RECORDS: 5,
  DONE: 6,
  READY: 7,
  INTRODUCE: 8,
  ANSWER: 9,
  LENGTHS: 10,
  GRANT: 11,
  REQUEST: 12,
  RESPONSE: 13,
  ERROR: 14,
  EPHEMERAL: 15,
  SYNCED: 16,
  CLOSE: 17
})

/** Types of frames, by message index. */
export const FRAME_TYPES = Object.keys(FrameKind).map(name =>
  name.toLowerCase()
) as readonly PartyFrame['type'][]

/** Version of the protocol that we speak. */
export const PARTY_VERSION = 1
