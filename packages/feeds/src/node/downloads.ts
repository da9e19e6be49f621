/**
 * What each open feed of a set fetches; warns once of a feed that is larger than its quota.
 */
import { slotOf } from '../core/fact-set.js'
import { FeedsError } from '../errors.js'
import type { Core } from './hypercore.js'
import { gateId } from './keys.js'
import { Download, type DownloadTerms } from './quota.js'

/** What downloads need of their set. */
export interface DownloadsHost {
  isAuthorized(key: Uint8Array): boolean
  termsOf(key: Uint8Array): DownloadTerms
  warn(error: FeedsError): void
}

/** See the head of this file. */
export class Downloads {
  readonly #host: DownloadsHost
  readonly #downloads = new Map<string, Download>()
  readonly #warned = new Set<string>()

  constructor(host: DownloadsHost) {
    this.#host = host
  }

  /** A feed was opened, or what may be fetched of it has changed. */
  start(key: Uint8Array, core: Core, discoveryKey: Uint8Array): void {
    this.stop(key)
    if (!this.#host.isAuthorized(key)) return
    const download = new Download(core, this.#host.termsOf(key), () => this.#passed(key, discoveryKey))
    this.#downloads.set(slotOf(key), download)
    download.start()
  }

  /** It may have got longer. */
  grown(key: Uint8Array): void {
    this.#downloads.get(slotOf(key))?.check()
  }

  stop(key: Uint8Array): void {
    this.#downloads.get(slotOf(key))?.stop()
    this.#downloads.delete(slotOf(key))
  }

  /** @throws {FeedsError} `ERR_FEEDS_QUOTA` for a block that must not be fetched. */
  checkBlock(key: Uint8Array, seq: number): void {
    this.#downloads.get(slotOf(key))?.checkBlock(seq)
  }

  isOver(key: Uint8Array): boolean {
    return this.#downloads.get(slotOf(key))?.isOver ?? false
  }

  #passed(key: Uint8Array, discoveryKey: Uint8Array): void {
    const slot = slotOf(key)
    if (this.#warned.has(slot)) return
    this.#warned.add(slot)
    const { maxBytes } = this.#host.termsOf(key)
    const name = gateId(discoveryKey).slice(0, 8)
    const text = `a feed has more than ${maxBytes} bytes (maxBytesPerFeed), no more are fetched (discovery key ${name})`
    this.#host.warn(new FeedsError('WARN_FEEDS_QUOTA', text))
  }
}
