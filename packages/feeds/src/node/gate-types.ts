/**
 * What a gate knows of the sets that share it: feeds that it may open, and the sessions that grant them.
 */
import type { FeedsError } from '../errors.js'
import type { Core } from './hypercore.js'

/** A feed as the gate sees it. */
export interface GateFeed {
  readonly discoveryKey: Uint8Array
  /** Is it authorized now? Asked after each wait, and for each channel. */
  isAllowed(): boolean
  /** Could it be opened now, beside those that are open and so many more? There is more room for what a peer asks for. */
  hasRoom(beside: number, isAsked: boolean): boolean
  /** Opens the feed, and keeps it open until release(); rejects if that fails or if it was revoked meanwhile. */
  acquire(): Promise<Core>
  release(): void
}

/** Who grants: one session of one set. */
export interface GateHolder {
  readonly number: number
  /** The peer opened a feed that has no entry: grants it if that is decided already. */
  admit(discoveryKey: Uint8Array): void
  /** As admit(), if it takes longer: grants it, or doesn't. Has finderMs. */
  find(discoveryKey: Uint8Array): Promise<void> | null
  /** A feed that this holder grants was attached, or isn't any more. */
  changed(id: string, isAttached: boolean): void
  /** Nobody wants a feed that this holder grants: its grant may go. */
  rested(id: string): void
  warn(error: FeedsError): void
}
