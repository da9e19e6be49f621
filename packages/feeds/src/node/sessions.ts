/**
 * The sessions of one set: which of them replicates what with whom.
 *
 * F7 A feed has at most one channel with a peer, also over several connections. What is wanted goes to the latest of them. A
 * peer that asks on one connection for what is attached on another has lost that one, so the feed moves. If both ends began on
 * different connections, the one with the greater handshake hash stays, which both know.
 */
import b4a from 'b4a'
import type { ReplicateOptions } from '../types.js'
import type { Connection } from './connection.js'
import { type SessionHost, SetSession } from './feed-session.js'

/** What the sessions need of their set. */
export type SessionsHost<T> = Omit<SessionHost<T>, 'isElsewhere' | 'moveHere' | 'ended'>

/** See the head of this file. */
export class Sessions<T> implements Iterable<SetSession<T>> {
  readonly #host: SessionsHost<T>
  /** In the order in which they came. */
  readonly #sessions = new Set<SetSession<T>>()

  constructor(host: SessionsHost<T>) {
    this.#host = host
  }

  [Symbol.iterator](): Iterator<SetSession<T>> {
    return this.#sessions[Symbol.iterator]()
  }

  /** A session on a connection. */
  add(connection: Connection, options: ReplicateOptions<T>): SetSession<T> {
    const session = new SetSession<T>(
      {
        ...this.#host,
        isElsewhere: (of, key) => this.#othersOf(of).some(other => other.isActive(key)),
        moveHere: (of, key) => this.#moveHere(of, key),
        ended: ended => this.#ended(ended)
      },
      connection,
      options
    )
    this.#sessions.add(session)
    return session
  }

  /** Opens a feed at every peer that it is granted to. */
  demand(key: Uint8Array): void {
    for (const session of [...this.#sessions].reverse()) session.demand(key, false)
  }

  /** Ends all grants of a feed; resolves when it is closed on every connection. */
  async end(key: Uint8Array): Promise<void> {
    await Promise.allSettled([...this.#sessions].map(session => session.end(key)))
  }

  /** As Gate.rest(), on every connection. */
  rest(key: Uint8Array, idleMs: number, isCrowded: boolean): void {
    for (const session of this.#sessions) session.rest(key, idleMs, isCrowded)
  }

  pump(): void {
    for (const session of this.#sessions) session.pump()
  }

  /** Closes all of them; the connections stay up. */
  async close(): Promise<void> {
    await Promise.allSettled([...this.#sessions].map(session => session.close()))
  }

  /** Those on other connections to the same peer. */
  #othersOf(session: SetSession<T>): SetSession<T>[] {
    const peer = session.remotePublicKey
    if (peer === null) return []
    return [...this.#sessions].filter(other => {
      const key = other.remotePublicKey
      return !other.closed && !other.isBeside(session) && key !== null && b4a.equals(key, peer)
    })
  }

  /** The peer asks for a feed on this connection. @returns False: it will get it on another one. */
  #moveHere(session: SetSession<T>, key: Uint8Array): boolean {
    for (const other of this.#othersOf(session)) {
      if (!other.isActive(key)) continue
      if (!other.isAttached(key) && !session.comesBefore(other)) return false
      void other.leave(key)
    }
    return true
  }

  #ended(session: SetSession<T>): void {
    this.#sessions.delete(session)
    const keys = [...session.active()]
    // What it did for the peer is done on another connection now, if there is one.
    for (const other of this.#othersOf(session)) for (const key of keys) other.demand(key, true)
  }
}
