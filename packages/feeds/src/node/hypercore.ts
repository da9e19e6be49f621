/**
 * Hypercore as this package uses it: one opened feed, and the keys of feeds.
 *
 * Internals used, each pinned by a contract test: `core.replicator.detachFrom`, `core.bitfield.firstUnset`, `core.gc`,
 * `core.state.mutex`, and `replicator.peers` with remotePublicKey, remoteLength, remoteFork, remoteContiguousLength, remoteSynced and
 * remoteDownloading. There is no public way to stop replicating to one peer (hypercore #356): if `detachFrom` is gone, this
 * fails loudly and never falls back to a variant that leaks.
 */
import b4a from 'b4a'
import Hypercore from 'hypercore'
import type { Position } from '../writer-record.js'
import { feedNamespaceOf } from './keys.js'
import type { MuxLike } from './protomux.js'

/** Protocol under which hypercores replicate. */
export const REPLICATION_PROTOCOL = 'hypercore/alpha'
/** Corestore closes a core that nobody uses after so many looks, one each 2 s: this is the last but one. */
const LAST_LOOK = 3

/** What one peer has shown of a feed. */
export interface CorePeer {
  /** Hex of its Noise key: the same over all of its connections, if it keeps that. */
  id: string
  /** False until its first message about lengths came. */
  isSynced: boolean
  fork: number
  length: number
  /** Blocks that it has from the first one on. */
  complete: number
  /** Does it fetch what it lacks? */
  isDownloading: boolean
}

/** A node of a feed's Merkle tree. */
export interface TreeNode {
  index: number
  /** Bytes of the blocks below it. */
  size: number
  hash: Uint8Array
}

/** What shows what the first `length` blocks of a feed are, and that its author signed that. */
export interface TreeProof {
  fork: number
  upgrade: {
    length: number
    /** Roots of the tree at `length`. */
    nodes: TreeNode[]
    /** From there to the length that was signed. */
    additionalNodes: TreeNode[]
    signature: Uint8Array
  }
  manifest?: object | null
}

/** Who hears of an opened feed. */
export interface CoreListeners {
  append(): void
  download(): void
  upload(): void
  /** The feed was signed twice for `length`; `proof` is the other one's. */
  conflict(length: number, fork: number, proof: unknown): void
}

/** One opened feed: our own session of it, which serves peers as long as it is open. */
export class Core {
  readonly #root: Hypercore
  #download: { destroy(): void } | null = null
  /** Where it ends. */
  #end = 0
  #movedMs = performance.now()

  /** @param root - A Hypercore. Not typed as one: our declarations name no module that has no types. */
  constructor(root: object) {
    this.#root = root as Hypercore
  }

  get key(): Uint8Array {
    return this.#root.key
  }

  get length(): number {
    return this.#root.length
  }

  /** Bytes of all its blocks, here or not. */
  get byteLength(): number {
    return this.#root.byteLength
  }

  /** How far it goes. */
  get position(): Position {
    return { fork: this.#root.fork, length: this.#root.length }
  }

  /** Blocks from the first one on that are here without a hole. */
  get complete(): number {
    return this.#root.contiguousLength
  }

  /** The first block from `start` on that isn't here; the length, if all are. */
  blocksFrom(start: number): number {
    const missing = this.#root.core.bitfield.firstUnset(start)
    return missing === -1 ? this.length : Math.min(missing, this.length)
  }

  get isClosed(): boolean {
    return this.#root.closed
  }

  /** What sessions for applications are made from. */
  get root(): object {
    return this.#root
  }

  async ready(): Promise<void> {
    await this.#root.ready()
  }

  /** The bytes of a block that is here; null: it isn't. */
  async block(seq: number): Promise<Uint8Array | null> {
    return this.#root.get(seq, { wait: false })
  }

  /** How many blocks the first `bytes` bytes hold; null: no peer told in time. */
  async blocksIn(bytes: number, timeoutMs: number): Promise<number | null> {
    try {
      return (await this.#root.seek(bytes, { timeout: timeoutMs }))?.[0] ?? null
    } catch {
      return null // REQUEST_TIMEOUT, or it was closed: asked again with the next length
    }
  }

  /** Fetches the blocks before `end` from now on, as peers show them; -1: all of them. */
  downloadTo(end: number): void {
    this.stopDownload()
    this.#end = end === -1 ? Number.POSITIVE_INFINITY : end
    if (end !== 0) this.#download = this.#root.download({ start: 0, end })
  }

  get isDownloading(): boolean {
    return this.#download !== null
  }

  stopDownload(): void {
    this.#download?.destroy()
    this.#download = null
  }

  /** Attaches to a muxer; the channel is there one microtask after its stream opened. */
  attach(mux: MuxLike): void {
    this.#movedMs = performance.now()
    this.#root.replicate(mux)
  }

  /** Takes the feed off a muxer. Its channels stay open: close them as well, or blocks go on flowing. */
  detach(mux: MuxLike): void {
    const { detachFrom } = this.#root.core.replicator
    if (typeof detachFrom !== 'function')
      throw new Error('hypercore changed: its replicator has no detachFrom')
    this.#root.core.replicator.detachFrom(mux)
  }

  /** What the peers have shown. */
  peers(): CorePeer[] {
    return this.#root.peers.map(peer => ({
      id: b4a.toString(peer.remotePublicKey, 'hex'),
      isSynced: peer.remoteSynced === true,
      fork: Number(peer.remoteFork),
      length: Number(peer.remoteLength),
      complete: Number(peer.remoteContiguousLength),
      isDownloading: peer.remoteDownloading === true
    }))
  }

  /** ms since a block came or went. */
  get idleMs(): number {
    return performance.now() - this.#movedMs
  }

  /** Does somebody here wait for a block? */
  get isWaitedFor(): boolean {
    const own = this.#download === null ? 0 : 1
    const requests = (this.#root.sessions ?? []).map(session => session.activeRequests.length)
    return requests.reduce((sum, count) => sum + count, 0) > own
  }

  /** Is a block waited for, or still to be fetched? */
  get isLacking(): boolean {
    return this.isWaitedFor || (this.#download !== null && this.complete < Math.min(this.length, this.#end))
  }

  /** Does a peer show more than we have, or fetch what it lacks, or hasn't it told yet? */
  get isOfUse(): boolean {
    const { length } = this
    return this.peers().some(peer => {
      return !peer.isSynced || peer.length > length || (peer.isDownloading && peer.complete < length)
    })
  }

  /** Sessions that somebody made of it, ours not counted. */
  get sessions(): number {
    return Math.max(0, (this.#root.sessions?.length ?? 0) - 1)
  }

  /** Rejects whatever waits for a block, in all sessions that this store made of the feed. */
  rejectWaiting(error: Error): void {
    for (const session of [...(this.#root.sessions ?? [])]) {
      if (session.activeRequests.length > 0) session.clearRequests(session.activeRequests, error)
    }
  }

  /** Deletes the blocks from `from` on that are here; the length stays. */
  async clear(from: number): Promise<void> {
    if (from < this.#root.length) await this.#root.clear(from, this.#root.length)
  }

  /** What shows another that this feed was signed up to its length, and what its first `length` blocks are; null: unsigned. */
  async treeProof(length: number): Promise<TreeProof | null> {
    const { manifest } = this.#root
    if (manifest === null || length === 0 || length > this.#root.length) return null
    const proof = await this.#root.proof({ upgrade: { start: 0, length } })
    return { ...proof, manifest }
  }

  /** Calls back from now on. */
  watch(listeners: CoreListeners): void {
    const moved = (tell: () => void) => () => {
      this.#movedMs = performance.now()
      tell()
    }
    this.#root.on('append', moved(listeners.append))
    this.#root.on('download', moved(listeners.download))
    this.#root.on('upload', moved(listeners.upload))
    this.#root.on('conflict', listeners.conflict)
  }

  /**
   * Resolves when all that came is checked and written. Hypercore doesn't wait for that when it is closed: it would go on in
   * a closed storage, with a rejection that nobody can handle.
   */
  async settled(): Promise<void> {
    const mutex = this.#root.core?.state?.mutex
    if (mutex === undefined) return
    await mutex.lock()
    mutex.unlock()
  }

  /** Closes our session. Those of the application stay. */
  async close(): Promise<void> {
    this.stopDownload()
    const { core } = this.#root
    await this.#root.close()
    // Corestore would keep it for 8 s more, in which as many others may be opened as were ever to be open at once.
    if (typeof core?.gc === 'number' && core.gc > 0) core.gc = LAST_LOOK
  }
}

/** Manifest of the feed of this author under this namespace. Version 1 is written out: another gives another key. */
export function manifestOf(author: Uint8Array, namespace: Uint8Array): object {
  return { version: 1, signers: [{ publicKey: author, namespace }] }
}

/**
 * Key of the feed that `author` has under a feed namespace. Anybody can compute it, so it shows whose a feed is.
 *
 * @param feedNamespace - 32 bytes.
 */
export function feedKeyOfNamespace(author: Uint8Array, feedNamespace: Uint8Array): Uint8Array {
  return Hypercore.key(manifestOf(author, feedNamespace) as never)
}

/**
 * Key of the feed that `author` writes in a set under a full writer name (see fullWriterName).
 *
 * @param namespace - The set's namespace, 32 bytes.
 */
export function feedKeyOf(author: Uint8Array, namespace: Uint8Array, origin: Uint8Array): Uint8Array {
  return feedKeyOfNamespace(author, feedNamespaceOf(namespace, origin))
}

/** Key of the feed with this manifest, as Hypercore has it: its hash. */
export function feedKeyOfManifest(manifest: object): Uint8Array {
  return Hypercore.key(manifest as never)
}

/** What a feed is called on a connection. */
export function discoveryKeyOf(key: Uint8Array): Uint8Array {
  return Hypercore.discoveryKey(key)
}
