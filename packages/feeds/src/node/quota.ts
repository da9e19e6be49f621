/**
 * What is fetched of a feed: all of it, what is asked for, or no more than its quota.
 *
 * The author signs how many bytes a feed has, so that it is known before they come: once they are more than the quota, only
 * the blocks are fetched that lie in the first so many bytes, whoever asks. That is the same after a restart, and whatever was
 * fetched before; so the disk holds at most the quota and what was under way when the feed passed it.
 */
import { FeedsError } from '../errors.js'
import type { Core } from './hypercore.js'

/** What a feed may fetch. */
export interface DownloadTerms {
  /** Fetch all of it, as it comes. */
  isEager: boolean
  /** Bytes of blocks. */
  maxBytes: number
  /** Blocks from this length on are invalid; null: all are valid. */
  cutoff: number | null
}

/** ms in which a peer has to tell where in the feed a byte lies. */
const SEEK_MS = 10_000

/** The download of one opened feed. */
export class Download {
  readonly #core: Core
  readonly #terms: DownloadTerms
  readonly #passed: () => void
  /** Blocks that may be fetched; infinite: the feed is within its quota. */
  #allowed = Number.POSITIVE_INFINITY
  #isOver = false
  #isSeeking = false
  #isStopped = false

  /** @param passed - Called once, when the feed is found to be larger than its quota. */
  constructor(core: Core, terms: DownloadTerms, passed: () => void) {
    this.#core = core
    this.#terms = terms
    this.#passed = passed
  }

  /** Does the feed have more bytes than may be fetched? */
  get isOver(): boolean {
    return this.#isOver
  }

  start(): void {
    this.check()
    if (!this.#isOver) this.#fetch()
  }

  stop(): void {
    this.#isStopped = true
    this.#core.stopDownload()
  }

  /** The feed may have got longer. */
  check(): void {
    if (this.#isStopped || this.#core.byteLength <= this.#terms.maxBytes) return
    if (!this.#isOver) {
      this.#isOver = true
      // At once: what is asked for from now on counts.
      this.#allowed = this.#core.complete
      this.#core.stopDownload()
      this.#passed()
    }
    void this.#seek()
  }

  /** @throws {FeedsError} `ERR_FEEDS_QUOTA` for a block that must not be fetched. */
  checkBlock(seq: number): void {
    if (seq < this.#allowed) return
    const text = `block ${seq} is behind the first ${this.#terms.maxBytes} bytes of its feed (maxBytesPerFeed)`
    throw new FeedsError('ERR_FEEDS_QUOTA', text)
  }

  async #seek(): Promise<void> {
    if (this.#isSeeking) return
    this.#isSeeking = true
    const blocks = await this.#core.blocksIn(this.#terms.maxBytes, SEEK_MS)
    this.#isSeeking = false
    if (blocks === null || this.#isStopped || this.#core.isClosed) return
    this.#allowed = blocks
    this.#fetch()
  }

  #fetch(): void {
    if (!this.#terms.isEager) return
    const end = Math.min(this.#allowed, this.#terms.cutoff ?? Number.POSITIVE_INFINITY)
    this.#core.downloadTo(end === Number.POSITIVE_INFINITY ? -1 : end)
  }
}
