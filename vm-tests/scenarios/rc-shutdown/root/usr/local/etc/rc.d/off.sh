#!/bin/sh
echo "off.sh $1" >>/run/order
[ "$1" = start ] || echo "off.sh $1" >/dev/console
