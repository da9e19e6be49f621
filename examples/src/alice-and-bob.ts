/**
 * Alice writes, Bob reads what she writes while she writes it, over one plain TCP connection.
 *
 *   node alice-and-bob.js alice PARTYKEY PORT STORAGE [LINES]     listens (0: any port), appends LINES lines (default 5)
 *   node alice-and-bob.js bob PARTYKEY PORT STORAGE [LINES]       connects, prints the first LINES lines of Alice's feed
 *
 * Both know one party key. Each has a writer of its own; the rules introduce it and take the other's.
 */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { Feed } from '@hearsay/feeds'
import { Party, type PartyRules } from '@hearsay/party'

const [role, key, port, storage, count = '5'] = process.argv.slice(2)
if ((role !== 'alice' && role !== 'bob') || !key || !port || !storage) {
  throw new TypeError('usage: alice-and-bob.js alice|bob PARTYKEY PORT STORAGE [LINES]')
}
const lines = Number(count)

const rules: PartyRules = {
  name: 'alice-and-bob',
  // Both know the party key by now. What is introduced here is known to this peer alone.
  async handshake({ peer }) {
    const feed = await party.feeds.writer(role)
    await peer.introduceFeeds({ keys: [feed.key], meta: { name: role } })
    await peer.replicate(feed)
  },
  // A hint of the peer; saying yes opens the feed.
  onIntroduceFeeds({ message }) {
    return message.meta?.name === 'alice' || message.meta?.name === 'bob'
  },
  // The peer opened a feed that wasn't granted to it: it may have any that we have.
  findFeed({ discoveryKey }) {
    for (const feed of party.feeds) if (Buffer.compare(feed.discoveryKey, discoveryKey) === 0) return feed
    return null
  }
}

const party = new Party({ key, storage, rules })
await party.ready()

function speak(socket: Socket, isInitiator: boolean): void {
  socket.on('error', () => {}) // the other one may go first
  const stream = party.replicate(isInitiator)
  stream.on('error', () => {})
  stream.pipe(socket).pipe(stream)
}

if (role === 'alice') {
  const feed = await party.feeds.writer('alice')
  const server = createServer(socket => speak(socket, false))
  server.listen(Number(port), '127.0.0.1', () => {
    console.log(`listening on ${(server.address() as AddressInfo).port}`)
  })
  // Nothing is written before Bob has arrived: all of it reaches him live.
  party.on('peer-add', () => {
    void (async () => {
      for (let line = 1; line <= lines; line++) {
        await feed.append(Buffer.from(`line ${line} of Alice`))
        console.log(`wrote line ${line}`)
      }
    })()
  })
  party.on('peer-remove', () => {
    server.close()
    void party.close()
  })
} else {
  speak(connect(Number(port), '127.0.0.1'), true)
  const alice = await new Promise<Feed>(resolve => {
    party.on('feed', (feed, meta) => meta?.name === 'alice' && resolve(feed))
  })
  for (let line = 0; line < lines; line++) console.log(`read ${await alice.get(line)}`)
  await party.close()
}
