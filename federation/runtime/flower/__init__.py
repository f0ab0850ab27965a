"""The one place that knows Flower: launch, guard, bundle, control, executor, in-process grid.

Flower 1.41 carries messages between a coordinator and its institutions. It is never trusted: what it carries are
signed envelopes, and both ends check them. Everything of Flower that fedscore leans on beyond its documented API is
gathered in this package and held by `tests/federation/runtime/test_flower_contract.py`, which fails when an upgrade
moves it.

 in_process   InProcessGrid      a Grid whose nodes are functions, for back-tests and tests
 message      request, reply     the one record that crosses: bytes in, bytes out
 bundle       Bundle, build      the FAB and its SHA-256, the value institutions allow-list
 superlink    serve              a SuperLink whose public port speaks to nodes only
 control      Control            register nodes, submit, watch and stop runs, with the operator's credential
 supernode    serve              a SuperNode that runs only allow-listed bundles
 executor     serve              starts the thin apps for the two above and reports at once when one dies
 launch       environment, ...   the arguments and environment of each of these processes
"""
