# The same work for programs that nobody here wrote, for suites that compare with what others say of them. SCALE=10 for
# ten times as much.
# shellcheck shell=bash disable=SC2034 # what the suites use

SCALE=${SCALE:-1}

QUERY="create table t(a integer primary key, b text);
	with recursive c(x) as (values(1) union all select x + 1 from c where x < $((SCALE * 1500)))
		insert into t select x, hex(x * 7919) from c;
	create index i on t(b); select count(*), sum(length(b)) from t;"
# Python's own allocator passes on to malloc what is larger than 512 bytes.
LARGE="d = []
for i in range($((SCALE * 10000))):
	d.append(bytes(600 + i % 700))
	if i % 3 == 0:
		d[i // 2] = None
print(len(d))"
SMALL="d = {}
for i in range($((SCALE * 1000))):
	d[i] = [str(i)] * 3
print(len(d))"

answers() { redis-cli -s "$1" ping >/dev/null 2>&1; }

# redis_commands SOCKET: commands of many kinds, and the last is to go. One by one: a session begins by asking for a table
# whose order is another one each time.
redis_commands() {
	xargs -L1 redis-cli -s "$1" <<-'EOT'
		set a 1
		incr a
		rpush l a b c d e f g h
		sort l alpha limit 0 3
		hset h a 1 b 2 c 3
		hgetall h
		zadd z 1 a 2 b 3 c
		zrangebyscore z 0 10 withscores
		eval "local t = {} for i = 1, 30 do t[i] = redis.call('get', 'a') .. i end return cjson.encode(t)" 0
		xadd s 1-1 f 1
		xrange s - +
		config get maxmemory
		pfadd p a b c
		geoadd g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania
		geosearch g fromlonlat 15 37 byradius 200 km asc
		shutdown nosave
	EOT
}
