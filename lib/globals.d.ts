/** Defined where the JavaScript has been put into one file to be published. */
declare const PUBLISHED: true | undefined;
