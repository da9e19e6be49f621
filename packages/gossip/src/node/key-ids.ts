/**
 * Ids of the keys that were seen last: making one costs more than all else that is done for an event.
 */
import { keyId } from './key-text.js'

const MAX_IDS = 1024

/** See the head of this file. */
export class KeyIds {
  readonly #ids = new Map<string, string>()

  /** The z-base-32 of a key given as 64 hex digits. */
  of(hex: string): string {
    const known = this.#ids.get(hex)
    if (known !== undefined) return known
    const id = keyId(hex)
    if (this.#ids.size >= MAX_IDS) this.#ids.clear()
    this.#ids.set(hex, id)
    return id
  }
}
