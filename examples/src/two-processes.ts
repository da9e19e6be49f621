/**
 * One process writes a feed, another one reads it over a plain TCP connection; both tell of each block that moves.
 *
 *   node two-processes.js STORAGE               appends two blocks, prints what the other one has to be started with
 *   node two-processes.js STORAGE KEY PORT      reads them
 */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { FeedSet } from '@hearsay/feeds'

const [storage, key, port] = process.argv.slice(2)
if (!storage || (key && !port)) throw new TypeError('usage: two-processes.js STORAGE [KEY PORT]')

const set = new FeedSet<string>(storage, { valueEncoding: 'utf-8' })

if (key) {
  // Its key is all that is needed to read a feed. What isn't authorized is neither fetched nor served.
  const feed = await set.authorize(key)
  feed.on('download', (seq: number) => console.log(`downloaded block ${seq}`))
  const socket = connect(Number(port), '127.0.0.1')
  set.replicate(socket, { initiator: true })
  await set.synced()
  for await (const block of feed.createReadStream()) console.log(block)
  await set.close()
  socket.end()
} else {
  const feed = await set.writer('log')
  await feed.append(['hello', 'world'])
  feed.on('upload', (seq: number) => console.log(`uploaded block ${seq}`))
  const server = createServer(socket => set.replicate(socket, { initiator: false }))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  console.log(`start the other one with ${feed.id} ${(server.address() as AddressInfo).port}`)
  const [socket] = await once(server, 'connection')
  await once(socket, 'close')
  server.close()
  await set.close()
}
