/**
 * Connections whose Noise handshake isn't done yet: whoever connects and then says nothing must not hold a place for ever.
 *
 *   (none) --attached, no handshake yet--> waiting --handshake done, or closed------------------------> (none)
 *                                                  --helloDeadlineMs----------------------------------> given up
 *                                                  --no room for another, and it is the oldest--------> given up
 *
 * What is given up is detached. A Noise stream that we put on a plain stream of the application is destroyed, and the plain
 * stream with it: its bytes belong to the handshake, so nobody else can use it. The application's own Noise stream lives on.
 */
import type { Limits } from '../limits.js'
import type { Attachment } from './attachment.js'

interface Waiting {
  readonly timer: ReturnType<typeof setTimeout>
  giveUp(): void
}

/** See the head of this file. */
export class Handshakes {
  readonly #limits: Pick<Limits, 'helloDeadlineMs' | 'maxHandshakes'>
  /** Oldest first. */
  readonly #waiting = new Map<Attachment, Waiting>()

  constructor(limits: Pick<Limits, 'helloDeadlineMs' | 'maxHandshakes'>) {
    this.#limits = limits
  }

  /** A connection was attached before its handshake was done. `isOurs`: the Noise stream was made here. */
  add(attachment: Attachment, isOurs: boolean): void {
    const giveUp = (): void => {
      this.remove(attachment)
      attachment.detach()
      if (isOurs) attachment.connection.stream.destroy()
    }
    while (this.#waiting.size >= this.#limits.maxHandshakes && this.makeRoom()) {}
    const timer = setTimeout(giveUp, this.#limits.helloDeadlineMs)
    timer.unref?.()
    this.#waiting.set(attachment, { timer, giveUp })
  }

  /** Gives up the oldest. False: none waits. */
  makeRoom(): boolean {
    for (const { giveUp } of this.#waiting.values()) {
      giveUp()
      return true
    }
    return false
  }

  /** It is done, or the connection is gone. */
  remove(attachment: Attachment): void {
    clearTimeout(this.#waiting.get(attachment)?.timer)
    this.#waiting.delete(attachment)
  }
}
