/**
 * Several feeds on one stream, each granted for itself: one ends and is granted again, the other never pauses, and one that only
 * the reader opens is looked up.
 *
 *   node several-feeds.js STORAGE      STORAGE: a folder for both sets, made if needed
 */
import { type Feed, FeedSet } from '@hearsay/feeds'
import { loopback } from './loopback.js'

const [storage] = process.argv.slice(2)
if (!storage) throw new TypeError('usage: several-feeds.js STORAGE')
const writers = new FeedSet<string>(`${storage}/writer`, { valueEncoding: 'utf-8' })
const readers = new FeedSet<string>(`${storage}/reader`, { valueEncoding: 'utf-8' })

const [news, chat, archive] = [
  await writers.writer('news'),
  await writers.writer('chat'),
  await writers.writer('archive')
]
await archive.append('archive 0')
const [readNews, readChat] = [await readers.authorize(news.key), await readers.authorize(chat.key)]

const [left, right] = await loopback()
readers.replicate(right, { initiator: false })
// Nothing is granted on this side but by grant(), and by findFeed for what the other side opens unasked.
const session = writers.replicate(left, { initiator: true, manual: true })
session.asked = findFeed

async function findFeed(discoveryKey: Uint8Array): Promise<Feed<string> | null> {
  if (Buffer.compare(discoveryKey, archive.discoveryKey) !== 0) return null
  console.log('findFeed is asked for the archive')
  return archive
}

// get() waits until the block comes.
const bothGet = async (seq: number): Promise<string> =>
  `${await readNews.get(seq)}, ${await readChat.get(seq)}`

for (const feed of [news, chat]) await session.grant(feed.key)
await news.append('news 0')
await chat.append('chat 0')
console.log(`both granted: ${await bothGet(0)}`)

await session.revoke(news.key)
await news.append('news 1')
await chat.append('chat 1')
console.log(`news ended: ${await readChat.get(1)}, and ${readNews.length} block of news`)

await session.grant(news.key)
console.log(`news granted again: ${await bothGet(1)}`)

const readArchive = await readers.authorize(archive.key)
console.log(`opened by the reader alone: ${await readArchive.get(0)}`)

await writers.close()
await readers.close()
left.end()
