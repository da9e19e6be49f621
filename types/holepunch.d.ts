// Ambient types of the untyped modules that we call, and only of what we call. Not published: public declarations
// use structural interfaces of our own (docs/ARCHITECTURE.md).

declare module 'protomux' {
  export interface Encoding<T> {
    preencode(state: { start: number; end: number; buffer: Uint8Array | null }, value: T): void
    encode(state: { start: number; end: number; buffer: Uint8Array | null }, value: T): void
    decode(state: { start: number; end: number; buffer: Uint8Array | null }): T
  }
  export interface MessageType<T = Uint8Array> {
    send(value: T): boolean
  }
  export interface Channel {
    readonly protocol: string
    readonly id: Uint8Array | null
    readonly opened: boolean
    readonly closed: boolean
    readonly destroyed: boolean
    readonly drained: boolean
    readonly messages: MessageType[]
    userData: unknown
    open(handshake?: unknown): void
    close(): void
    fullyOpened(): Promise<boolean>
    fullyClosed(): Promise<void>
    cork(): void
    uncork(): void
    addMessage(options: unknown): MessageType
  }
  export interface ChannelOptions {
    protocol: string
    id?: Uint8Array | null
    unique?: boolean
    aliases?: string[]
    userData?: unknown
    handshake?: Encoding<Uint8Array> | null
    messages?: { encoding: Encoding<Uint8Array>; onmessage(message: Uint8Array, channel: Channel): unknown }[]
    onopen?(handshake: Uint8Array, channel: Channel): unknown
    onclose?(isRemote: boolean, channel: Channel): unknown
    ondestroy?(channel: Channel): unknown
    ondrain?(channel: Channel): unknown
  }
  export default class Protomux {
    static from(stream: unknown, options?: unknown): Protomux
    static isProtomux(value: unknown): value is Protomux
    constructor(stream: unknown, options?: unknown)
    readonly isProtomux: true
    // biome-ignore lint/suspicious/noExplicitAny: the Noise stream below; typed where it is used
    readonly stream: any
    readonly drained: boolean
    readonly corked: number
    cork(): void
    uncork(): void
    pair(key: { protocol: string; id?: Uint8Array | null }, notify: (id: Uint8Array | null) => unknown): void
    unpair(key: { protocol: string; id?: Uint8Array | null }): void
    opened(key: { protocol: string; id?: Uint8Array | null }): boolean
    createChannel(options: ChannelOptions): Channel | null
    [Symbol.iterator](): Iterator<Channel>
  }
}

declare module '@hyperswarm/secret-stream' {
  export default class NoiseSecretStream {
    constructor(
      isInitiator: boolean,
      rawStream?: unknown,
      options?: { keyPair?: { publicKey: Uint8Array; secretKey: Uint8Array }; autoStart?: boolean }
    )
    readonly isInitiator: boolean
    readonly publicKey: Uint8Array
    readonly remotePublicKey: Uint8Array
    readonly handshakeHash: Uint8Array
    readonly rawStream: unknown
    readonly noiseStream: this
    readonly opened: Promise<boolean>
    readonly destroyed: boolean
    userData: unknown
    setTimeout(ms: number): void
    setKeepAlive(ms: number): void
    flush(): Promise<boolean>
    // biome-ignore lint/suspicious/noExplicitAny: listeners of a foreign emitter
    on(event: string, listener: (...args: any[]) => void): this
    // biome-ignore lint/suspicious/noExplicitAny: listeners of a foreign emitter
    once(event: string, listener: (...args: any[]) => void): this
    // biome-ignore lint/suspicious/noExplicitAny: listeners of a foreign emitter
    off(event: string, listener: (...args: any[]) => void): this
    write(data: Uint8Array): boolean
    end(): this
    destroy(error?: Error): this
    // biome-ignore lint/suspicious/noExplicitAny: any stream
    pipe<S>(stream: S): any
  }
}

declare module 'hyperdht' {
  export default class DHT {
    constructor(options?: {
      bootstrap?: (string | { host: string; port: number })[]
      host?: string
      port?: number
      firewalled?: boolean
      ephemeral?: boolean
      keyPair?: { publicKey: Uint8Array; secretKey: Uint8Array }
    })
    static bootstrapper(port: number, host: string, options?: object): DHT
    static keyPair(seed?: Uint8Array): { publicKey: Uint8Array; secretKey: Uint8Array }
    readonly destroyed: boolean
    readonly host: string | null
    readonly port: number
    listeners(event: string): ((...args: unknown[]) => void)[]
    on(event: string, listener: (...args: unknown[]) => void): this
    off(event: string, listener: (...args: unknown[]) => void): this
    ready(): Promise<void>
    fullyBootstrapped(): Promise<void>
    address(): { host: string; family: number; port: number }
    destroy(options?: { force?: boolean }): Promise<void>
  }
}

declare module 'hyperdht/testnet.js' {
  import type DHT from 'hyperdht'
  export default function createTestnet(
    size?: number,
    options?: { host?: string; port?: number; teardown?: (fn: () => unknown) => void }
  ): Promise<{
    nodes: DHT[]
    bootstrap: { host: string; port: number }[]
    createNode(options?: object): DHT
    destroy(): Promise<void>
  }>
}

declare module 'hyperswarm' {
  import type NoiseSecretStream from '@hyperswarm/secret-stream'
  import type DHT from 'hyperdht'
  export interface PeerInfo {
    readonly publicKey: Uint8Array
    readonly topics: Uint8Array[]
    readonly client: boolean
    ban(banned?: boolean): void
  }
  export interface PeerDiscovery {
    flushed(): Promise<boolean>
    refresh(options?: { server?: boolean; client?: boolean }): Promise<void>
    destroy(): Promise<void>
  }
  export default class Hyperswarm {
    constructor(options?: {
      dht?: DHT
      keyPair?: { publicKey: Uint8Array; secretKey: Uint8Array }
      seed?: Uint8Array
      bootstrap?: unknown[]
      maxPeers?: number
      firewall?: (remotePublicKey: Uint8Array, payload: unknown) => boolean
    })
    readonly connections: Set<NoiseSecretStream>
    readonly keyPair: { publicKey: Uint8Array; secretKey: Uint8Array }
    dht: DHT
    readonly destroyed: boolean
    readonly suspended: boolean
    join(topic: Uint8Array, options?: { server?: boolean; client?: boolean; limit?: number }): PeerDiscovery
    leave(topic: Uint8Array): Promise<void>
    status(topic: Uint8Array): PeerDiscovery | null
    joinPeer(publicKey: Uint8Array): void
    leavePeer(publicKey: Uint8Array): void
    flush(): Promise<boolean>
    listen(): Promise<void>
    suspend(): Promise<void>
    resume(): Promise<void>
    destroy(options?: { force?: boolean }): Promise<void>
    // biome-ignore lint/suspicious/noExplicitAny: listeners of a foreign emitter
    on(event: string, listener: (...args: any[]) => void): this
    // biome-ignore lint/suspicious/noExplicitAny: listeners of a foreign emitter
    once(event: string, listener: (...args: any[]) => void): this
    // biome-ignore lint/suspicious/noExplicitAny: listeners of a foreign emitter
    off(event: string, listener: (...args: any[]) => void): this
  }
}

declare module 'hypercore/lib/merkle-tree.js' {
  import type { TreeNode, TreeProof } from 'hypercore'

  const merkleTree: {
    MerkleTree: {
      verifyFullyRemote(
        session: object,
        proof: Omit<TreeProof, 'manifest'>
      ): { length: number; fork: number; roots: TreeNode[]; hash(): Uint8Array }
    }
  }
  export default merkleTree
}

declare module 'hypercore/lib/verifier.js' {
  import type { Manifest } from 'hypercore'
  export default class Verifier {
    constructor(manifestHash: Uint8Array, manifest: Manifest)
    static manifestHash(manifest: Manifest): Uint8Array
    static encodeManifest(manifest: Manifest): Uint8Array
    static decodeManifest(manifest: Uint8Array): Manifest
    verify(batch: object, signature: Uint8Array): boolean
  }
}

declare module 'hypercore' {
  export interface TreeNode {
    index: number
    size: number
    hash: Uint8Array
  }
  export interface TreeProof {
    fork: number
    block: null
    hash: null
    seek: null
    upgrade: {
      start: number
      length: number
      nodes: TreeNode[]
      additionalNodes: TreeNode[]
      signature: Uint8Array
    }
    manifest?: Manifest | null
  }
  export interface Manifest {
    version: number
    signers: { publicKey: Uint8Array; namespace?: Uint8Array }[]
    quorum?: number
  }
  export default class Hypercore {
    static key(manifest: Manifest | Uint8Array, options?: object): Uint8Array
    static discoveryKey(key: Uint8Array): Uint8Array
    constructor(storage: unknown, key?: unknown, options?: object)
    get key(): Uint8Array
    get discoveryKey(): Uint8Array
    get id(): string
    readonly writable: boolean
    get length(): number
    get contiguousLength(): number
    get byteLength(): number
    get fork(): number
    opened: boolean
    closed: boolean
    get opening(): Promise<void>
    set opening(opening: Promise<void>)
    closing: Promise<void> | null
    readonly exclusive: boolean
    readonly snapshotted: boolean
    // biome-ignore lint/suspicious/noExplicitAny: internals; only the files that know Hypercore may touch them
    state: any
    _monitorIndex: number
    readonly _active: boolean
    _removeSession(): void
    // biome-ignore lint/suspicious/noExplicitAny: options of every kind
    _open(storage: unknown, key: unknown, options: any): Promise<void>
    readonly manifest: Manifest | null
    // biome-ignore lint/suspicious/noExplicitAny: internals; only the files that know Hypercore may touch them
    core: any
    // biome-ignore lint/suspicious/noExplicitAny: peers of a foreign class
    readonly peers: any[]
    /** Sessions of this core that one Corestore session made. */
    readonly sessions: Hypercore[] | null
    /** Requests of this session that wait for a peer. */
    readonly activeRequests: unknown[]
    clearRequests(activeRequests: unknown[], error: Error): void
    truncate(newLength?: number, options?: object): Promise<void>
    commit(session: Hypercore, options?: object): Promise<unknown>
    /** The block that holds this byte, and where in it; null: not known, with `wait: false`. */
    seek(bytes: number, options?: object): Promise<[number, number] | null>
    proof(request: object): Promise<TreeProof>
    applyProof(proof: object): Promise<boolean>
    emit(event: string, ...args: unknown[]): boolean
    ready(): Promise<void>
    close(options?: object): Promise<void>
    // biome-ignore lint/suspicious/noExplicitAny: any value of the encoding
    append(value: any, options?: object): Promise<{ length: number; byteLength: number }>
    // biome-ignore lint/suspicious/noExplicitAny: any value of the encoding
    get(index: number, options?: object): Promise<any>
    has(start: number, end?: number): Promise<boolean>
    clear(start: number, end?: number, options?: object): Promise<unknown>
    update(options?: { wait?: boolean }): Promise<boolean>
    download(range?: { start?: number; end?: number; linear?: boolean; blocks?: number[] }): {
      done(): Promise<void>
      destroy(): void
    }
    treeHash(length?: number): Promise<Uint8Array>
    session(options?: object): Hypercore
    snapshot(options?: object): Hypercore
    findingPeers(): () => void
    setActive(active: boolean): void
    createReadStream(options?: object): AsyncIterable<unknown>
    replicate(stream: unknown, options?: object): unknown
    // biome-ignore lint/suspicious/noExplicitAny: listeners of a foreign emitter
    on(event: string, listener: (...args: any[]) => void): this
    // biome-ignore lint/suspicious/noExplicitAny: listeners of a foreign emitter
    once(event: string, listener: (...args: any[]) => void): this
    // biome-ignore lint/suspicious/noExplicitAny: listeners of a foreign emitter
    off(event: string, listener: (...args: any[]) => void): this
  }
}

declare module 'corestore' {
  import type Hypercore from 'hypercore'
  import type { Manifest } from 'hypercore'
  export default class Corestore {
    constructor(storage: string, options?: object)
    // biome-ignore lint/suspicious/noExplicitAny: the storage below; only node/hypercore.ts may touch it
    readonly storage: any
    // biome-ignore lint/suspicious/noExplicitAny: the open cores; only node/corestore.ts may touch them
    readonly cores: any
    readonly opened: boolean
    readonly closed: boolean
    ready(): Promise<void>
    close(): Promise<void>
    get(options: {
      key?: Uint8Array
      name?: string
      keyPair?: { publicKey: Uint8Array; secretKey: Uint8Array }
      manifest?: Manifest
      active?: boolean
      exclusive?: boolean
      valueEncoding?: unknown
      sparse?: boolean
    }): Hypercore
    namespace(name: string | Uint8Array): Corestore
    session(options?: object): Corestore
    replicate(stream: unknown, options?: object): unknown
    watch(listener: (core: unknown) => void): void
    unwatch(listener: (core: unknown) => void): void
    list(namespace?: Uint8Array): AsyncIterable<Uint8Array>
    readonly readOnly: boolean
    createKeyPair(
      name: string,
      namespace?: Uint8Array
    ): Promise<{ publicKey: Uint8Array; secretKey: Uint8Array }>
    staticify(core: Hypercore, options?: object): Promise<Hypercore>
  }
}

declare module 'hyperbee' {
  export default class Hyperbee {
    constructor(
      core: unknown,
      options?: { keyEncoding?: string; valueEncoding?: string; extension?: boolean }
    )
    readonly key: Uint8Array | null
    readonly core: { readonly key: Uint8Array | null }
    ready(): Promise<void>
    put(key: string, value: unknown): Promise<void>
    get(key: string): Promise<{ key: string; value: unknown; seq: number } | null>
    del(key: string): Promise<void>
    watch(range?: object): AsyncIterable<unknown> & { ready(): Promise<void>; destroy(): Promise<void> }
    createDiffStream(version: number): AsyncIterable<{
      left: { key: string; value: unknown } | null
      right: { key: string; value: unknown } | null
    }>
    createHistoryStream(options?: object): AsyncIterable<{ type: string; key: string; value: unknown }>
    close(): Promise<void>
  }
}

declare module 'hyperblobs' {
  export default class Hyperblobs {
    constructor(core: unknown, options?: { blockSize?: number })
    readonly key: Uint8Array | null
    ready(): Promise<void>
    put(blob: Uint8Array): Promise<object>
    get(id: object): Promise<Uint8Array | null>
    close(): Promise<void>
  }
}

declare module 'hyperdrive' {
  export default class Hyperdrive {
    static getContentKey(manifest: object, key: Uint8Array): Uint8Array | null
    constructor(store: unknown, key?: Uint8Array)
    readonly key: Uint8Array
    readonly contentKey: Uint8Array
    readonly core: { readonly manifest: object | null }
    ready(): Promise<void>
    put(path: string, data: Uint8Array): Promise<void>
    get(path: string): Promise<Uint8Array | null>
    del(path: string): Promise<void>
    entry(path: string): Promise<{ key: string; value: { executable: boolean; metadata: unknown } } | null>
    list(folder?: string): AsyncIterable<{ key: string }>
    close(): Promise<void>
  }
}

declare module 'autobase' {
  export default class Autobase<V = unknown> {
    constructor(
      store: unknown,
      bootstrap: Uint8Array | null,
      handlers: {
        valueEncoding?: string
        ackInterval?: number
        // biome-ignore lint/suspicious/noExplicitAny: the store of its views
        open(store: any): V
        // biome-ignore lint/suspicious/noExplicitAny: nodes hold any value of the encoding
        apply(nodes: { value: any }[], view: V, host: AutobaseHost): Promise<void>
      }
    )
    readonly key: Uint8Array | null
    readonly view: V
    readonly local: { readonly key: Uint8Array }
    readonly writable: boolean
    ready(): Promise<void>
    append(value: unknown): Promise<unknown>
    update(): Promise<void>
    close(): Promise<void>
    on(event: string, listener: () => void): this
    off(event: string, listener: () => void): this
  }
  export interface AutobaseHost {
    addWriter(key: Uint8Array, options?: { indexer?: boolean }): Promise<void>
  }
}

declare module 'sodium-universal' {
  const sodium: {
    crypto_sign_PUBLICKEYBYTES: number
    crypto_sign_SECRETKEYBYTES: number
    crypto_sign_SEEDBYTES: number
    crypto_sign_BYTES: number
    crypto_sign_keypair(publicKey: Uint8Array, secretKey: Uint8Array): void
    crypto_sign_seed_keypair(publicKey: Uint8Array, secretKey: Uint8Array, seed: Uint8Array): void
    crypto_sign_detached(signature: Uint8Array, message: Uint8Array, secretKey: Uint8Array): void
    crypto_sign_verify_detached(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean
    crypto_generichash(output: Uint8Array, input: Uint8Array, key?: Uint8Array): void
    crypto_generichash_batch(output: Uint8Array, inputs: readonly Uint8Array[], key?: Uint8Array): void
    randombytes_buf(buffer: Uint8Array): void
    crypto_secretbox_NONCEBYTES: number
    crypto_secretbox_MACBYTES: number
    crypto_secretbox_easy(box: Uint8Array, message: Uint8Array, nonce: Uint8Array, key: Uint8Array): void
    crypto_secretbox_open_easy(
      message: Uint8Array,
      box: Uint8Array,
      nonce: Uint8Array,
      key: Uint8Array
    ): boolean
    sodium_memcmp(a: Uint8Array, b: Uint8Array): boolean
  }
  export default sodium
}

declare module 'hypercore-id-encoding' {
  const idEncoding: {
    encode(key: Uint8Array): string
    decode(key: string | Uint8Array): Uint8Array
    normalize(key: string | Uint8Array): string
    isValid(key: unknown): boolean
  }
  export default idEncoding
}

declare module 'paparam' {
  export interface Part {
    /** Only on flags: may be given several times. */
    multiple(): this
    hide(): this
  }
  export interface Bail {
    reason: string
    flag: { name: string } | null
    arg: { value: string } | null
  }
  export interface Command {
    readonly name: string
    readonly parent: Command | null
    /** Command that was parsed last below this one. */
    readonly current?: Command
    readonly flags: Record<string, boolean | string | string[] | null | undefined>
    readonly positionals: string[]
    help(): string
    hide(): this
    parse(argv: string[], options: { run: boolean; silent: boolean }): Command | null
  }
  export function command(name: string, ...parts: unknown[]): Command
  export function flag(help: string, description: string): Part
  export function arg(help: string, description: string): Part
  export function summary(text: string): unknown
  export function footer(text: string): unknown
  export function bail(fn: (bail: Bail) => never): unknown
  export function sloppy(options: { flags?: boolean; args?: boolean }): unknown
}
