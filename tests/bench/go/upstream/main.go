// Upstream is a fake Ollama, OpenAI and Anthropic made of raw bytes: the cheapest
// peer that a gateway can have, so that what is measured is the gateway.
//
// What a chat answers is said in its prompt, in words such as
// "bench mode=paced tokens=200 interval_us=20000 wait_us=0 id=7". Paths under
// /bench/ change how every chat is answered.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address to listen on; port 0 takes a free one")
	gateAddress := flag.String("gate", "", "second address, which /bench/gate opens and shuts")
	flag.Parse()

	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("{\"address\":%q}\n", listener.Addr().String())

	ledger := newLedger()
	here := &house{ledger: ledger, pacer: newPacer(ledger)}
	here.gate = &gate{
		address: *gateAddress, peers: map[*net.TCPConn]bool{},
		serve: func(conn *net.TCPConn) { newPeer(conn, here).serve() },
	}
	here.gate.open()
	go here.pacer.run()
	for {
		conn, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go newPeer(conn.(*net.TCPConn), here).serve()
	}
}
