/**
 * A process with a Gossip behind a TCP port, for attacks that may end a process. No test: the tests start it.
 *
 * It prints `{ port }`, and a status for each line of stdin: `gc` collects before, `burst N` publishes N messages first.
 * To a message `{ ask }` it answers `{ answer }`, so that an honest peer can see that it lives.
 */
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { Gossip } from '@hearsay/gossip'
import { TOPIC } from '../support/attack.js'

const gossip = new Gossip()
const topic = gossip.join(TOPIC)
topic.on('message', data => {
  const { ask } = data as { ask?: number }
  if (ask !== undefined) topic.publish({ answer: ask }).catch(() => {})
})

const server = createServer(socket => {
  // The application's own errors; a reset of a hostile peer is none of its business.
  socket.on('error', () => {})
  gossip.attach(socket, { initiator: false })
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address() as { port: number }
  process.stdout.write(`${JSON.stringify({ port: address.port })}\n`)
})

let busyMs = 0
let lastMs = performance.now()
setInterval(() => {
  busyMs = Math.max(busyMs, performance.now() - lastMs - 10)
  lastMs = performance.now()
}, 10)

async function burst(count: number): Promise<void> {
  const text = 'x'.repeat(1000)
  for (let i = 0; i < count; i += 100) {
    await Promise.all(Array.from({ length: 100 }, (_, n) => topic.publish({ burst: i + n, text })))
    await new Promise(resolve => setImmediate(resolve))
  }
}

createInterface({ input: process.stdin }).on('line', async line => {
  if (line.startsWith('burst ')) await burst(Number(line.slice(6)))
  if (line === 'gc') (globalThis as { gc?: () => void }).gc?.()
  const { rss, heapUsed } = process.memoryUsage()
  const queued = topic.peers().map(({ stats }) => stats.queuedBytes)
  const status = { rss, heapUsed, busyMs, queued, peers: gossip.peers.size, links: topic.peers().length }
  process.stdout.write(`${JSON.stringify({ ...status, stats: gossip.stats })}\n`)
  busyMs = 0
})
