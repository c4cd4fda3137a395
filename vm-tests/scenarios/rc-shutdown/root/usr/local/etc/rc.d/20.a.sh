#!/bin/sh
echo "20.a.sh $1" >>/run/order
[ "$1" = start ] || echo "20.a.sh $1" >/dev/console
