/**
 * Two copies of this program greet each other and leave.
 *
 *   node greeting.js [HOST:PORT]      HOST:PORT of a bootstrap node; without it the public DHT is asked
 *
 * It prints its own id, then what the other one said and who signed it.
 */
import pubsub from '@hearsay/gossip/swarm'
import { bootstrapOf } from './bootstrap.js'

interface Greeting {
  hello: string
}

const swarm = pubsub<Greeting>('hearsay-example-greeting', bootstrapOf(process.argv[2]))
console.log(`I am ${swarm.id}`)

// 'connected' means: there is a peer that proved to know the topic. Publishing before would work as well: the
// message is kept for the first peer until its time to live is over.
swarm.on('connected', () => {
  void swarm.publish({ hello: swarm.id })
})

for await (const { data, id } of swarm.messages()) {
  console.log(`${id} says hello, and calls itself ${data.hello}`)
  break
}

// Writes what was handed over, closes what pubsub() made, and lets the process end.
await swarm.destroy()
