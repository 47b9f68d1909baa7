// Upstream is a fake Ollama made of raw bytes: the cheapest peer that a gateway
// can have, so that what is measured is the gateway.
//
// What a chat answers is said in its prompt, in words such as
// "bench mode=paced tokens=200 interval_us=20000 wait_us=0 id=7".
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address to listen on; port 0 takes a free one")
	flag.Parse()

	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("{\"address\":%q}\n", listener.Addr().String())

	ledger := newLedger()
	pacer := newPacer(ledger)
	go pacer.run()
	for {
		conn, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go newPeer(conn.(*net.TCPConn), ledger, pacer).serve()
	}
}
