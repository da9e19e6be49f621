/**
 * Serves a feed of its own to whoever listens on a port, revokes it when it is told to, and tells that it does and that it has.
 */
import { connect } from 'node:net'
import { FeedSet } from '@hearsay/feeds'
import b4a from 'b4a'

const [folder = '', port = '0', blocks = '0'] = process.argv.slice(2)
const set = new FeedSet<Uint8Array>(folder)
const writer = await set.writer('log')
await writer.append(Array.from({ length: Number(blocks) }, (_, i) => b4a.from(`block ${i}`)))
process.send?.({ key: b4a.toString(writer.key, 'hex') })
process.on('message', () => {
  const revoking = set.revoke(writer.key)
  process.send?.({ isDone: false })
  void revoking.then(() => process.send?.({ isDone: true }))
})
const socket = connect(Number(port), '127.0.0.1')
socket.on('error', () => {})
set.replicate(socket, { initiator: true })
