/** A DHT of our own on the loopback interface. */
import type { ExecutionContext } from 'ava'
import createTestnet from 'hyperdht/testnet.js'

/** A running DHT. */
export interface Testnet {
  /** For option `bootstrap`. */
  readonly bootstrap: { host: string; port: number }[]
  /** The same as words of a command line: `HOST:PORT`. */
  readonly address: string
  /** A node of it, to be passed in as `dht`. */
  createNode(): unknown
}

/** Starts ten nodes: with three, connections were seen that are open on one side only. They end with the test. */
export async function testnet(t: ExecutionContext): Promise<Testnet> {
  const net = await createTestnet(10)
  t.teardown(() => net.destroy())
  const first = net.bootstrap[0]
  if (first === undefined) throw new Error('the test network has no bootstrap node')
  return {
    bootstrap: net.bootstrap,
    address: `${first.host}:${first.port}`,
    createNode: () => net.createNode({ host: '127.0.0.1', firewalled: false })
  }
}
