export const completionScript = (s: string): string => s;
