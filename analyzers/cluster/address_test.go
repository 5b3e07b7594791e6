package cluster

import "testing"

func TestFailedConnection(t *testing.T) {
	for _, test := range []struct{ text, want, how string }{
		{`dial tcp 10.0.57.116:5432: connect: connection refused`, "10.0.57.116:5432", "refused"},
		{`connect: dial tcp: lookup payments-db on 10.0.0.10:53: server misbehaving`, "payments-db", "unknown"},
		{`dial tcp: lookup db.shop.svc.cluster.local. on 10.0.0.10:53: no such host`, "db.shop.svc.cluster.local", "unknown"},
		{`dial tcp: lookup db on 10.96.0.10:53: read udp 10.244.0.5:41234->10.96.0.10:53: i/o timeout`, "db", "unknown"},
		{`Get "http://orders:8080/v1": dial tcp 10.96.3.4:8080: connect: connection refused`, "orders:8080", "refused"},
		{`Get "http://orders:8080/v1": dial tcp: lookup orders on 10.96.0.10:53: no such host`, "orders:8080", "unknown"},
		{`Get "https://api.stripe.com/v1": proxyconnect tcp: dial tcp 10.1.1.1:3128: connect: connection refused`, "10.1.1.1:3128", "refused"},
		{`dial tcp [::1]:5432: connect: connection refused`, "[::1]:5432", "refused"},
		{"failed to connect to `host=payments-db user=app database=app`: dial error (dial tcp 10.0.0.3:5432: connect: connection refused)", "payments-db:5432", "refused"},
		{"failed to connect to `user=app database=app`: hostname resolving error: lookup payments-db on 10.0.0.10:53: no such host", "payments-db", "unknown"},
		{`rpc error: code = Unavailable desc = connection error: desc = "transport: Error while dialing: dial tcp 10.96.0.3:50051: connect: connection refused"`, "10.96.0.3:50051", "refused"},
		{`read tcp 10.244.0.5:41234->10.96.3.4:6379: read: connection reset by peer`, "10.96.3.4:6379", "closed"},
		{`Error: connect ECONNREFUSED 10.0.0.1:5432`, "10.0.0.1:5432", "refused"},
		{`Error: connect ECONNREFUSED ::1:5432`, "[::1]:5432", "refused"},
		{`Error: getaddrinfo ENOTFOUND payments-db`, "payments-db", "unknown"},
		{`Error: getaddrinfo EAI_AGAIN redis`, "redis", "unknown"},
		{`MongoServerSelectionError: connect ETIMEDOUT 10.0.3.4:27017`, "10.0.3.4:27017", "timed out"},
		{`psycopg2.OperationalError: connection to server at "payments-db" (10.96.1.2), port 5432 failed: Connection refused`, "payments-db:5432", "refused"},
		{"could not connect to server: Connection refused Is the server running on host \"payments-db\" (10.0.0.1) and accepting\tTCP/IP connections on port 5432?", "payments-db:5432", "refused"},
		{`could not translate host name "payments-db" to address: Name or service not known`, "payments-db", "unknown"},
		{`redis.exceptions.ConnectionError: Error 111 connecting to redis:6379. Connection refused.`, "redis:6379", "refused"},
		{`redis.exceptions.ConnectionError: Error -2 connecting to redis:6379. Name or service not known.`, "redis:6379", "unknown"},
		{`(2003, "Can't connect to MySQL server on 'mysql' ([Errno 111] Connection refused)")`, "mysql", "refused"},
		{`ERROR 2003 (HY000): Can't connect to MySQL server on 'mysql:3306' (111)`, "mysql:3306", "failed"},
		{`(2005, "Unknown MySQL server host 'mysql' (-2)")`, "mysql", "unknown"},
		{`requests.exceptions.ConnectionError: HTTPConnectionPool(host='orders', port=8080): Max retries exceeded with url: / (Caused by NewConnectionError('<urllib3.connection.HTTPConnection object at 0x7f>: Failed to establish a new connection: [Errno 111] Connection refused'))`, "orders:8080", "refused"},
		{`aiohttp.client_exceptions.ClientConnectorError: Cannot connect to host orders:8080 ssl:default [Connect call failed ('10.96.0.1', 8080)]`, "orders:8080", "refused"},
		{`ConnectionRefusedError: [Errno 111] Connect call failed ('10.0.0.1', 5432)`, "10.0.0.1:5432", "refused"},
		{`pymongo.errors.ServerSelectionTimeoutError: mongo:27017: [Errno 111] Connection refused, Timeout: 30s`, "mongo:27017", "refused"},
		{`[Errno 111] Connection refused amqp://guest:**@rabbitmq:5672//`, "rabbitmq:5672", "refused"},
		{`socket.gaierror: [Errno -2] Name or service not known`, "", "unknown"},
		{`org.postgresql.util.PSQLException: Connection to payments-db:5432 refused. Check that the hostname and port are correct and that the postmaster is accepting TCP/IP connections.`, "payments-db:5432", "refused"},
		{`java.net.UnknownHostException: payments-db: Name or service not known`, "payments-db", "unknown"},
		{`io.netty.channel.AbstractChannel$AnnotatedConnectException: Connection refused: redis/10.96.0.3:6379`, "redis:6379", "refused"},
		{`Connection to node -1 (kafka/10.0.0.1:9092) could not be established. Broker may not be available.`, "kafka:9092", "failed"},
		{`Couldn't resolve server kafka:9092 from bootstrap.servers as DNS resolution failed for kafka`, "kafka:9092", "unknown"},
		{`System.Net.Http.HttpRequestException: Connection refused (orders:8080)`, "orders:8080", "refused"},
		{`Npgsql.NpgsqlException (0x80004005): Failed to connect to 10.0.0.1:5432`, "10.0.0.1:5432", "failed"},
		{`Errno::ECONNREFUSED: Connection refused - connect(2) for "redis" port 6379`, "redis:6379", "refused"},
		{`Connection refused - connect(2) for 10.0.0.1:6379 (Redis::CannotConnectError)`, "10.0.0.1:6379", "refused"},
		{`php_network_getaddresses: getaddrinfo for mysql failed: Name or service not known`, "mysql", "unknown"},
		{"Error: P1001: Can't reach database server at `payments-db`:`5432`", "payments-db:5432", "failed"},
		{`curl: (7) Failed to connect to orders port 8080 after 3 ms: Couldn't connect to server`, "orders:8080", "refused"},
		{`curl: (6) Could not resolve host: orders`, "orders", "unknown"},
		{`wget: can't connect to remote host (10.0.0.1): Connection refused`, "10.0.0.1", "refused"},
		{`wget: bad address 'orders:8080'`, "orders:8080", "unknown"},
		{`wget: unable to resolve host address ‘orders’`, "orders", "unknown"},
		{`nc: connect to db port 5432 (tcp) failed: Connection refused`, "db:5432", "refused"},
		{`nc: db (10.0.0.1:5432): Connection refused`, "10.0.0.1:5432", "refused"},
		{`payments-db:5432 - no response`, "payments-db:5432", "timed out"},
		{`** server can't find payments-db.shop.svc.cluster.local: NXDOMAIN`, "payments-db.shop.svc.cluster.local", "unknown"},
		{`nslookup: can't resolve 'myservice'`, "myservice", "unknown"},
		{`host not found in upstream "backend:8080" in /etc/nginx/conf.d/default.conf:5`, "backend:8080", "unknown"},
		{`Could not connect to Redis at redis:6379: Connection refused`, "redis:6379", "refused"},
		{`consumer: Cannot connect to redis://:**@redis:6379/0: Error 111 connecting to redis:6379. Connection refused.`, "redis:6379", "refused"},
		{`2026-11-23T06:18:37 ERROR main.go:45 startup at 06:18:37 failed: connection refused`, "", "refused"},
		{`Could not resolve placeholder 'db.url' in value "${db.url}"`, "", ""},
		{`Module not found: Error: Can't resolve './x' in '/app'`, "", ""},
		{`listening on 0.0.0.0:8080`, "", ""},
	} {
		got, how, ok := FailedConnection(test.text)
		if how2, _ := OutageIn(test.text); !ok && string(how2) != test.how {
			t.Errorf("%s\n\toutage %q, want %q", test.text, how2, test.how)
		}
		if ok && string(how) != test.how {
			t.Errorf("%s\n\toutage %q, want %q", test.text, how, test.how)
		}
		if !ok {
			got = Address{}
		}
		if got.String() != test.want {
			t.Errorf("%s\n\taddress %q, want %q", test.text, got, test.want)
		}
	}
}
