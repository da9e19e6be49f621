/**
 * DHT nodes of our own: the one file of the tool that knows hyperdht.
 */
import DHT from 'hyperdht'
import createTestnet from 'hyperdht/testnet.js'

/** Something that runs until it is stopped. */
export interface Running {
  stop(): Promise<void>
}

/**
 * A bootstrap node. On a loopback address it isn't reachable from outside.
 *
 * @param host - IPv4 address that others reach.
 * @param port - UDP port, from 1.
 */
export async function startBootstrapNode(host: string, port: number): Promise<Running> {
  const node = DHT.bootstrapper(port, host, host.startsWith('127.') ? { host } : {})
  await node.fullyBootstrapped()
  return { stop: () => node.destroy({ force: true }) }
}

/** A whole DHT in this process, on loopback. */
export async function startLocalDht(): Promise<Running & { bootstrap: { host: string; port: number }[] }> {
  // Ten nodes: with three of them connections were seen that only one side knew of.
  const testnet = await createTestnet(10)
  return { bootstrap: testnet.bootstrap, stop: () => testnet.destroy() }
}
