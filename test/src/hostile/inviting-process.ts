/**
 * The founder of a party of invited members, on a folder. No test: a test starts it, and kills it.
 *
 * It prints a link that may be used once, and its port; whoever connects there may redeem it.
 */
import { createServer } from 'node:net'
import { createKeyPair, cryptoFor } from '@hearsay/gossip'
import { Party, rules } from '@hearsay/party'
import { partyKeyOf } from '@hearsay/party/core'

const [storage = ''] = process.argv.slice(2)
const keyPair = createKeyPair(new Uint8Array(32).fill(1))
const genesis = { founderPublicKey: keyPair.publicKey, salt: new Uint8Array(32).fill(4) }
const key = partyKeyOf(cryptoFor(keyPair), genesis)
const party = new Party({ key, genesis, keyPair, storage, rules: rules.invite() })
const link = await party.invite()
const server = createServer(socket => {
  socket.on('error', () => {})
  party.attach(socket, { initiator: false })
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  console.log(`${link} ${typeof address === 'object' && address !== null ? address.port : 0}`)
})
