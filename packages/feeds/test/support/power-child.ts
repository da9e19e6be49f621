/**
 * Appends as fast as it can until it is killed, and tells its parent what was acknowledged and what was synced. With a port,
 * its set is replicated to a peer there.
 */
import { connect } from 'node:net'
import { FeedSet } from '@hearsay/feeds'
import b4a from 'b4a'

const [folder = '', port = '0', flushes = 'true'] = process.argv.slice(2)
const set = new FeedSet<Uint8Array>(folder, { limits: { flushMs: 10, checkpointMs: 10 } })
const writer = await set.writer('log')
process.send?.({ key: b4a.toString(writer.key, 'hex') })
if (port !== '0') {
  const socket = connect(Number(port), '127.0.0.1')
  socket.on('error', () => {})
  set.replicate(socket, { initiator: true })
}

async function flushAgain(): Promise<void> {
  for (;;) {
    const { length } = writer
    await set.flush()
    process.send?.({ flushed: length })
  }
}

if (flushes === 'true') void flushAgain()
for (;;) {
  const { length } = await writer.append(b4a.from(`block ${writer.length}`))
  process.send?.({ acknowledged: length })
  await new Promise(resolve => setImmediate(resolve))
}
