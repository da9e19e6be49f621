/**
 * What the engine of a set is made of, and whom it tells.
 */
import type { FeedsError } from '../errors.js'
import type { FeedsLimits } from '../limits.js'
import type { CorestoreLike, Feed, FeedEncoding, ForkProof, KeyPair, Rotation } from '../types.js'
import type { OpenLogFile } from './log-file.js'
import type { WriteWholeFile } from './writer-file.js'

/** What an engine is made of. */
export interface EngineOptions {
  storage: string | CorestoreLike
  /** 32 bytes. */
  namespace: Uint8Array
  keyPair: KeyPair | null
  valueEncoding: FeedEncoding
  limits: Readonly<FeedsLimits>
  isCautious: boolean
  openFile?: OpenLogFile | undefined
  writeFile?: WriteWholeFile | undefined
  bootId?: string | undefined
  isGateOff?: boolean | undefined
}

/** Who hears of what happened. */
export interface EngineListeners<T> {
  authorized(key: Uint8Array): void
  appended(feed: Feed<T>): void
  moved(key: Uint8Array): void
  forked(proof: ForkProof): void
  recovering(feed: Feed<T>): void
  rotated(rotation: Rotation): void
  warning(error: FeedsError): void
}
