/**
 * Structural types of what this package uses of Hyperswarm and hyperdht.
 *
 * Both libraries are untyped, and an application may bring another release of them than we do. So nothing here
 * imports them: whatever has these members will do.
 */
import { typeError } from './errors.js'
import type { DuplexLike, KeyPair } from './types.js'

/** Address of a node that introduces us to a DHT. */
export interface BootstrapNode {
  /** Host name or IP address. */
  host: string
  /** UDP port, 1 to 65,535. */
  port: number
}

/** A hyperdht node, as far as we look at it. */
export interface DhtLike {
  // biome-ignore lint/suspicious/noExplicitAny: listeners of foreign emitters can't be typed more narrowly
  on(event: any, listener: (...args: any[]) => void): unknown
  // biome-ignore lint/suspicious/noExplicitAny: listeners of foreign emitters can't be typed more narrowly
  off(event: any, listener: (...args: any[]) => void): unknown
  destroy(options?: { force?: boolean }): Promise<unknown>
}

/** One topic that is announced and looked up. */
export interface DiscoveryLike {
  /** Resolves when announcing and looking up are done; says nothing about connections. */
  flushed(): Promise<unknown>
  /** Announces and looks up again. */
  refresh(): Promise<unknown>
  destroy(): Promise<unknown>
}

/** What Hyperswarm tells about the process at the other end of a connection. */
export interface PeerInfoLike {
  readonly publicKey: Uint8Array
  /** True when we dialled. */
  readonly client: boolean
  ban(banned: boolean): void
}

/** A Hyperswarm, as far as we use it. */
export interface NetworkLike {
  /** Open connections; Noise streams. */
  readonly connections: ReadonlySet<DuplexLike>
  /** Noise key pair: names this process on connections, and never signs messages. */
  readonly keyPair: KeyPair
  readonly destroyed: boolean
  readonly dht: DhtLike
  join(topic: Uint8Array, options?: { server?: boolean; client?: boolean }): DiscoveryLike
  /** Dials a peer by its Noise key, again and again until `leavePeer`. Used on networks of our own. */
  joinPeer?(publicKey: Uint8Array): unknown
  /** Ends that; a connection stays open. */
  leavePeer?(publicKey: Uint8Array): unknown
  /** Resolves when pending lookups and dials have ended, one way or the other. */
  flush(): Promise<unknown>
  suspend(): Promise<unknown>
  resume(): Promise<unknown>
  destroy(options?: { force?: boolean }): Promise<unknown>
  // biome-ignore lint/suspicious/noExplicitAny: listeners of foreign emitters can't be typed more narrowly
  on(event: any, listener: (...args: any[]) => void): unknown
  // biome-ignore lint/suspicious/noExplicitAny: listeners of foreign emitters can't be typed more narrowly
  off(event: any, listener: (...args: any[]) => void): unknown
}

/** Where a swarm of our own finds others. */
export interface NetworkOptions {
  /** Nodes to start from; default: the public DHT. `[]` means nobody. Loopback addresses only: a DHT of this machine. */
  bootstrap?: readonly BootstrapNode[]
  /** A hyperdht node of yours; it is used and never destroyed. */
  dht?: DhtLike
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null

/**
 * Checks the option `bootstrap`.
 *
 * @throws {TypeError} `ERR_GOSSIP_BAD_OPTION` unless it is an array of `{ host, port }`.
 */
export function checkBootstrap(value: unknown): readonly BootstrapNode[] {
  if (!Array.isArray(value))
    throw typeError('ERR_GOSSIP_BAD_OPTION', 'bootstrap is not an array of { host, port }')
  for (const node of value as unknown[]) {
    const fits =
      isRecord(node) && typeof node.host === 'string' && node.host !== '' && Number.isInteger(node.port)
    const port = fits ? (node.port as number) : 0
    if (port < 1 || port > 65_535) {
      throw typeError('ERR_GOSSIP_BAD_OPTION', 'bootstrap holds something that is not { host, port }')
    }
  }
  return value as BootstrapNode[]
}

/** Is this a whole DHT on this machine? Then nothing has to be reached through a firewall. */
export function isLoopback(bootstrap: readonly BootstrapNode[]): boolean {
  return bootstrap.length > 0 && bootstrap.every(({ host }) => isLoopbackHost(host))
}

/** `localhost`, 127.0.0.0/8 or ::1. */
export function isLoopbackHost(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
}
