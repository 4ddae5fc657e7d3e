#!/usr/bin/perl
# The routes of the suite's fixtures for Apache httpd.
use strict;
use warnings;

binmode STDIN;
binmode STDOUT;
$| = 1;
my $path = $ENV{PATH_INFO} // '/';
status(501) if $ENV{REQUEST_METHOD} eq 'CONNECT' || $path eq '/*';
answer('ok') if $path eq '/discard';
my $content = do { local $/; <STDIN> } // '';
my $length = $ENV{CONTENT_LENGTH};
# Content that ended early is no content.
status(400) if defined $length && length($content) != $length;
answer('ok') if $path eq '/';
answer('hello') if $path eq '/head';
answer($content) if $path eq '/echo';
if ($path eq '/chunked') {
    print "Content-Type: text/plain\r\n\r\n";
    for my $part ('one', 'two', 'three') {
        print $part;
    }
    exit;
}
status($1) if $path =~ m{^/status/(\d\d\d)$};
print "Status: 404 Not Found\r\n";
answer('not found');

sub answer {
    my ($text) = @_;
    print "Content-Type: text/plain\r\nContent-Length: ", length $text, "\r\n\r\n", $text;
    exit;
}

sub status {
    my ($status) = @_;
    my $length = $status eq '204' || $status eq '304' ? '' : "Content-Length: 0\r\n";
    print "Status: $status Status\r\n$length\r\n";
    exit;
}
