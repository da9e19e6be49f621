/** A TCP connection within one process, for the examples that play both sides. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** Both ends; the one that dialled first. They keep the process up until they are ended. */
export async function loopback(): Promise<[Socket, Socket]> {
  const server = createServer()
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const dialled = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [accepted] = (await once(server, 'connection')) as [Socket]
  server.close()
  return [dialled, accepted]
}
