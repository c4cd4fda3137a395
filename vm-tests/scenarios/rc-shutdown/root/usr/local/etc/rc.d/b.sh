#!/bin/sh
echo "b.sh $1" >>/run/order
[ "$1" = start ] || echo "b.sh $1" >/dev/console
