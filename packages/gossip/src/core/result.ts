/**
 * What a decoder returns. Bytes of a remote are never worth an exception: a thrown error costs microseconds, hides which
 * check failed, and is one forgotten `catch` away from ending the process. So a failure is a value with a reason.
 */
import type { DropReason } from './types.js'

/** A failure: why the input is dropped. */
export interface Failure {
  readonly ok: false
  readonly reason: DropReason
}

/** A decoded value, or why there is none. */
export type Result<T> = { readonly ok: true; readonly value: T } | Failure

/** Wraps a decoded value. */
export function success<T>(value: T): Result<T> {
  return { ok: true, value }
}

/** Bytes that don't follow the format. */
export const MALFORMED: Failure = Object.freeze({ ok: false, reason: 'malformed' })

/** A frame, a list or a payload over its bound. */
export const TOO_LARGE: Failure = Object.freeze({ ok: false, reason: 'too-large' })
