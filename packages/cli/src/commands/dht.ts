/**
 * `hearsay dht`: a bootstrap node. One of them, and the others find each other without the internet.
 *
 * It serves this machine alone unless `--host` names an address of it that others reach: the processes of one machine then
 * always find each other, and nothing is open to the network that nobody asked for.
 */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { networkInterfaces } from 'node:os'
import { integerOf, UsageError } from '../args.js'
import type { Context } from '../context.js'
import { startBootstrapNode } from '../local-dht.js'

/** The port that hyperdht itself uses by default. */
const PORT = 49_737

/** Runs the command: prints the address, then serves until it is interrupted. */
export async function dht({ flags, output, signal }: Context): Promise<void> {
  const host = (flags.host as string | undefined) ?? '127.0.0.1'
  if (!/^\d{1,3}(\.\d{1,3}){3}$/.test(host) || host === '0.0.0.0') {
    throw new UsageError(`--host is ${host}, it must be the IPv4 address that others reach`)
  }
  const port = integerOf(flags, 'port', { min: 0, max: 65_535, fallback: PORT }) || (await freePort(host))
  const node = await startBootstrapNode(host, port)
  try {
    const bootstrap = `${host}:${port}`
    if (output.json) await output.object({ event: 'listening', bootstrap, host, port })
    else await output.text(`${bootstrap}\n`)
    output.note(`others join by --bootstrap ${bootstrap}`)
    const address = ownAddress()
    if (host.startsWith('127.') && address !== null)
      output.note(`for other machines: hearsay dht --host ${address}`)
    if (!signal.aborted) await once(signal, 'abort')
  } finally {
    await node.stop()
  }
}

function ownAddress(): string | null {
  const addresses = Object.values(networkInterfaces()).flatMap(list => list ?? [])
  return addresses.find(({ family, internal }) => family === 'IPv4' && !internal)?.address ?? null
}

async function freePort(host: string): Promise<number> {
  const socket = createSocket('udp4')
  socket.bind(0, host.startsWith('127.') ? host : '0.0.0.0')
  await once(socket, 'listening')
  const { port } = socket.address()
  socket.close()
  await once(socket, 'close')
  return port
}
