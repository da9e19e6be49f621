/**
 * What a decoder returns. Bytes of a remote are never worth an exception: a thrown error hides which check failed, and is
 * one forgotten `catch` away from ending the process. So a failure is a value with a reason.
 */

/** Why bytes of a remote were not taken. */
export type DecodeReason =
  | 'malformed' // they don't follow the format
  | 'too-large' // a frame, record, list or field over its bound
  | 'unknown' // a kind or message index of a later version: ignored, no penalty

/** A failure: why there is no value. */
export interface Failure {
  readonly ok: false
  readonly reason: DecodeReason
}

/** A decoded value, or why there is none. */
export type Result<T> = { readonly ok: true; readonly value: T } | Failure

/** Wraps a decoded value. */
export function success<T>(value: T): Result<T> {
  return { ok: true, value }
}

/** Bytes that don't follow the format. */
export const MALFORMED: Failure = Object.freeze({ ok: false, reason: 'malformed' })

/** Something over its bound. */
export const TOO_LARGE: Failure = Object.freeze({ ok: false, reason: 'too-large' })

/** Something of a later version. */
export const UNKNOWN: Failure = Object.freeze({ ok: false, reason: 'unknown' })
